//! What waits to be read by one read.

use crate::ObservedEntry;
use claude_store::{EntryKey, Version};
use std::cell::{Cell, RefCell};
use tokio::sync::oneshot;

/// One entry as the store holds it.
pub(crate) struct Reading {
    /// The document's size in bytes.
    pub(crate) size: usize,
    /// The document's version.
    pub(crate) version: Version,
    /// The entry; `None` where it is absent.
    pub(crate) seen: Option<ObservedEntry>,
}

/// What one transaction wants to see, and where it waits for it.
pub(super) type Question = (EntryKey, oneshot::Sender<Result<Reading, String>>);

#[derive(Default)]
pub(crate) struct Reader {
    pub(super) waiting: RefCell<Vec<Question>>,
    pub(super) running: Cell<bool>,
}
