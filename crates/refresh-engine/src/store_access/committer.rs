//! Requests that wait for a group commit, and their outcome.

use crate::ObservedEntry;
use crate::coalesced::Coalesced;
use crate::decide::compare::WriteDecision;
use crate::journal::JournalError;
use crate::store_access::reading::Unreadable;
use crate::store_access::write_request::WriteRequest;
use claude_store::{LockError, SpliceError, WriteError};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long a pair may wait for others.
const GATHERING: Duration = Duration::from_millis(50);

/// The outcome of a request.
pub(crate) struct Saved {
    pub(crate) decision: WriteDecision,
    /// What the store held at the decision.
    pub(crate) found: Option<ObservedEntry>,
    /// Whether that state of the store survives a power cut.
    pub(crate) durable: bool,
}

/// A request could not be decided or written. The caller still has it, and so does the journal.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NotSaved {
    /// The document or the entry cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The change does not fit into the document.
    #[error(transparent)]
    Splice(#[from] SpliceError),
    /// Another process holds the storage lock, or it cannot be created.
    #[error(transparent)]
    Locked(Arc<LockError>),
    /// The store refuses.
    #[error(transparent)]
    Write(Arc<WriteError>),
    /// Every comparison was lost.
    #[error("other programs keep rewriting {location}; find out which programs use this folder")]
    Contended { location: String },
}

impl NotSaved {
    /// There is no document.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.is_absent())
    }
}

impl From<WriteError> for NotSaved {
    fn from(error: WriteError) -> Self {
        Self::Write(Arc::new(error))
    }
}

/// Pairs that wait to be written, and requests whose answers soon will.
#[derive(Default)]
pub(crate) struct Committer {
    pub(super) writes: Coalesced<WriteRequest, Result<Saved, NotSaved>>,
    /// Requests on the wire.
    awaited: Cell<usize>,
    /// Notified when a request starts waiting here, and when an answer has come.
    pub(super) news: Notify,
}

/// A request on the wire, until it is dropped.
pub(crate) struct Awaited<'a>(&'a Committer);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.awaited.set(self.0.awaited.get().saturating_sub(1));
        self.0.news.notify_one();
    }
}

impl Committer {
    /// Whether requests are on the wire.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.awaited.get() > 0
    }

    /// Hold this while waiting for an answer.
    pub(crate) fn await_answer(&self) -> Awaited<'_> {
        self.awaited.set(self.awaited.get() + 1);
        Awaited(self)
    }

    /// Waits briefly for answers in flight, if everything that waits here can wait. Meanwhile makes what is already here durable:
    /// a power cut must not take a pair because it waited. A failed fsync is retried, and reported, with the write.
    pub(super) async fn gather(&self, durable: impl Future<Output = Result<(), JournalError>>) {
        let can_wait = || self.awaits_answers() && self.writes.waiting().iter().all(|one| one.may_wait());
        if !can_wait() {
            return;
        }
        let others = async {
            while can_wait() {
                self.news.notified().await;
            }
        };
        let _ = tokio::join!(durable, tokio::time::timeout(GATHERING, others));
    }
}
