//! What was said between clients, daemon and token endpoints, for one who judges afterwards.

use crate::grant::Actor;
use crate::server::Reply;
use std::cell::{Cell, Ref, RefCell};

/// What the one who asked was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The pair, all that is needed of it.
    Fresh,
    /// A pair without the refresh token that the server had made.
    Withheld,
    /// The token is dead.
    Dead,
    /// Nothing was done: not now.
    NotNow,
    /// Nothing was sent.
    Unsent,
    /// The connection ended before the answer, or in the middle of it.
    Lost,
    /// Nothing that says whether it was done; the server may still be working on it.
    Unknown,
}

/// One request and its end.
#[derive(Clone, Debug)]
pub(crate) struct Exchanged {
    pub(crate) by: Actor,
    pub(crate) presented: String,
    pub(crate) began: u64,
    /// When and what was answered; `None` where whoever asked died meanwhile.
    pub(crate) told: Option<(u64, Told)>,
}

#[derive(Default)]
pub(crate) struct Log {
    kept: Cell<bool>,
    exchanges: RefCell<Vec<Exchanged>>,
}

impl Log {
    /// From now on everything is kept.
    pub(crate) fn keep(&self) {
        self.kept.set(true);
    }

    pub(crate) fn exchanges(&self) -> Ref<'_, Vec<Exchanged>> {
        self.exchanges.borrow()
    }

    /// Number of requests of the daemon that were answered.
    pub(crate) fn answered(&self) -> usize {
        let ours = |exchanged: &&Exchanged| exchanged.by == Actor::Daemon && exchanged.told.is_some();
        self.exchanges.borrow().iter().filter(ours).count()
    }

    pub(crate) fn begin(&self, by: Actor, presented: &str, began: u64) -> usize {
        let mut exchanges = self.exchanges.borrow_mut();
        if self.kept.get() {
            exchanges.push(Exchanged { by, presented: presented.to_owned(), began, told: None });
        }
        exchanges.len().wrapping_sub(1)
    }

    pub(crate) fn end(&self, number: usize, reply: &Reply, rotates: bool, at: u64) {
        if let Some(exchanged) = self.exchanges.borrow_mut().get_mut(number) {
            exchanged.told = Some((at, told(reply, rotates)));
        }
    }
}

fn told(reply: &Reply, rotates: bool) -> Told {
    match reply {
        Reply::Fresh(pair) if pair.refresh.is_none() && rotates => Told::Withheld,
        Reply::Fresh(_) => Told::Fresh,
        Reply::Dead => Told::Dead,
        Reply::Busy { .. } | Reply::Odd { status: 429 | 503, .. } => Told::NotNow,
        Reply::Odd { status: 200, body } if body.starts_with('<') => Told::NotNow,
        Reply::Odd { status: 200, body } if body.starts_with('{') => Told::Lost,
        Reply::BadGateway | Reply::TimedOut | Reply::Refused(_) | Reply::Odd { .. } => Told::Unknown,
        Reply::Lost => Told::Lost,
        Reply::Unsent => Told::Unsent,
    }
}
