//! What waits to be written by one commit, and what becomes of it.

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

/// How long a pair that may wait does so for others.
const GATHERING: Duration = Duration::from_millis(50);

/// What became of a request.
pub(crate) struct Saved {
    pub(crate) decision: WriteDecision,
    /// What the store held when that was decided.
    pub(crate) found: Option<ObservedEntry>,
    /// Whether the store as it was decided on survives a power cut.
    pub(crate) durable: bool,
}

/// A request could not be decided or written. The caller still has it, and the journal too.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NotSaved {
    /// The document or the entry cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The change does not fit into the document.
    #[error(transparent)]
    Splice(#[from] SpliceError),
    /// Somebody else holds the storage lock, or it cannot be made.
    #[error(transparent)]
    Locked(Arc<LockError>),
    /// The store refuses.
    #[error(transparent)]
    Write(Arc<WriteError>),
    /// Every comparison was lost.
    #[error("{location} is rewritten by others all the time; find out which programs use this folder")]
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

/// What waits to be written, and the requests whose answers will want to be.
#[derive(Default)]
pub(crate) struct Committer {
    pub(super) writes: Coalesced<WriteRequest, Result<Saved, NotSaved>>,
    /// Requests on the wire.
    awaited: Cell<usize>,
    /// Rings when somebody begins to wait here, and when an answer came.
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

    /// To be held while an answer is waited for.
    pub(crate) fn await_answer(&self) -> Awaited<'_> {
        self.awaited.set(self.awaited.get() + 1);
        Awaited(self)
    }

    /// Waits a moment for answers that are on their way, where everything that waits here can wait. What is here already is made durable
    /// meanwhile: no power cut may take a pair because it waited. What the medium refuses then is tried again, and told, with the write.
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
