//! What waits to be written by one commit, and what it decides.

use crate::ObservedEntry;
use crate::decide::compare::WriteDecision;
use crate::journal::JournalError;
use claude_store::{Change, EntryKey};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How long a pair waits for others. Only where the entry it belongs to has expired: nobody can use what the store holds for it, and
/// whoever wants to refresh it finds its lock taken.
const GATHERING: Duration = Duration::from_millis(50);

/// What an entry decides against the document as it is.
pub(crate) type Decide = Box<dyn Fn(Option<&ObservedEntry>) -> Decided>;

/// A decision, and the change it asks for.
pub(crate) struct Decided {
    pub(crate) decision: WriteDecision,
    pub(crate) change: Option<Change>,
}

/// A pair could not be saved. The caller still has it, and the journal too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NotSaved {
    /// Path, cause and cure.
    pub(crate) why: String,
    /// There is no document.
    pub(crate) absent: bool,
}

/// What is to be saved.
pub(crate) struct WriteRequest {
    pub(crate) key: EntryKey,
    pub(crate) decide: Decide,
    /// The entry has expired: it may wait for others.
    pub(crate) expired: bool,
    /// The server that is good again, and is to be taken out of the client's list of servers to skip.
    pub(crate) repaired: Option<String>,
}

impl WriteRequest {
    /// Saved at once, and nothing else.
    pub(crate) fn now(key: EntryKey, decide: Decide) -> Self {
        Self { key, decide, expired: false, repaired: None }
    }
}

/// What became of a request.
pub(crate) struct Saved {
    pub(crate) decision: WriteDecision,
    /// Whether the store as it was decided on survives a power cut.
    pub(crate) durable: bool,
    /// Whether the repaired server was on the client's list, or why it may be still.
    pub(crate) unflagged: Result<bool, String>,
}

pub(super) struct Waiting {
    pub(super) request: WriteRequest,
    pub(super) reply: oneshot::Sender<Result<Saved, NotSaved>>,
}

#[derive(Default)]
pub(crate) struct Committer {
    pub(super) waiting: RefCell<Vec<Waiting>>,
    pub(super) running: Cell<bool>,
    /// Requests on the wire, whose answers will want to be saved.
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

    /// Waits for answers that are on their way, where everything that waits here can wait. Those that are here already are made
    /// durable meanwhile: no power cut may take a pair because it waited.
    pub(super) async fn gather(&self, durable: impl Future<Output = Result<(), JournalError>>) {
        let can_wait = || {
            let waiting = self.waiting.borrow();
            !waiting.is_empty() && waiting.iter().all(|waiting| waiting.request.expired)
        };
        if self.awaited.get() == 0 || !can_wait() {
            return;
        }
        let others = async {
            while self.awaited.get() > 0 && can_wait() {
                self.news.notified().await;
            }
        };
        // Whoever is slower than that is not waited for. What the medium refuses here is tried again, and told, with the write.
        let _ = tokio::join!(durable, tokio::time::timeout(GATHERING, others));
    }

    /// Everything that waits, but one change per entry.
    pub(super) fn next_batch(&self) -> Vec<Waiting> {
        let mut keys = BTreeSet::new();
        let (batch, rest) =
            self.waiting.take().into_iter().partition(|waiting| keys.insert(waiting.request.key.clone()));
        self.waiting.replace(rest);
        batch
    }
}
