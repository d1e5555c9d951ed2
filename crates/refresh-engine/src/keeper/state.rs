use super::allowance::Allowance;
use crate::store_access::look::Unreadable;
use crate::store_access::shared::Shared;
use crate::{Now, Partners};
use claude_store::Version;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Whether a keeper acts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plans and refreshes by itself.
    Watch,
    /// Only does what it is asked for.
    OnlyAsked,
}

/// What the keeper of one store knows from one turn of its loop to the next.
pub(super) struct Inner<P: Partners> {
    pub(super) shared: Rc<Shared<P>>,
    pub(super) mode: Mode,
    pub(super) changed: Notify,
    pub(super) allowance: Allowance,
    pub(super) version: Cell<Option<Version>>,
    pub(super) unreadable: RefCell<Option<Unreadable>>,
    pub(super) reread: Cell<Duration>,
    /// Why it could not be read, as it was last told: each reason is told once.
    pub(super) unreadable_told: RefCell<Option<String>>,
    pub(super) odd: RefCell<Vec<(String, String)>>,
    pub(super) entries_told: Cell<Option<usize>>,
    pub(super) pings: RefCell<Vec<oneshot::Sender<()>>>,
    pub(super) looked: Cell<bool>,
    pub(super) first_look: Notify,
    pub(super) next_wake: Cell<Option<Now>>,
    pub(super) saving: Cell<bool>,
}
