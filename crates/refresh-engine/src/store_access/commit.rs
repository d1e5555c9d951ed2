//! Group commit: entries that are ready together go into one write of the document.
//!
//! Each round reads the document once, lets every waiting entry decide against what it reads, splices all changes in one pass,
//! and publishes the result under the storage lock. What arrives during a round goes into the next one, and the pairs of expired
//! entries wait a moment for answers that are on their way, so that a storm of N refreshes costs a few writes.

use crate::decide::compare::WriteDecision;
use crate::journal::JournalError;
use crate::store_access::shared::Shared;
use crate::{Partners, Seen};
use claude_store::{Change, Document, EntryKey, Published, ReadError, Store};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long the storage lock is waited for; whoever holds it holds it for one write.
const STORAGE_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// An unreadable document is read again for this long: old clients write in place, so half of it can be seen.
const HALF_WRITTEN: Duration = Duration::from_secs(1);
const HALF_WRITTEN_PAUSE: Duration = Duration::from_millis(50);
/// Every lost comparison means that somebody else wrote; nobody writes this often.
const ROUNDS: u32 = 20;

/// How long a pair waits for others. Only where the entry it belongs to has expired: nobody can use what the store holds for it, and
/// whoever wants to refresh it finds its lock taken.
const GATHERING: Duration = Duration::from_millis(50);

/// What an entry decides against the document as it is.
pub(crate) type Decide = Box<dyn Fn(Option<&Seen>) -> Decided>;

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
pub(crate) struct Wish {
    pub(crate) key: EntryKey,
    pub(crate) decide: Decide,
    /// The entry has expired: it may wait for others.
    pub(crate) expired: bool,
    /// The server that is good again, and is to be taken out of the client's list of servers to skip.
    pub(crate) repaired: Option<String>,
}

impl Wish {
    /// Saved at once, and nothing else.
    pub(crate) fn now(key: EntryKey, decide: Decide) -> Self {
        Self { key, decide, expired: false, repaired: None }
    }
}

/// What became of a wish.
pub(crate) struct Saved {
    pub(crate) decision: WriteDecision,
    /// Whether the store as it was decided on survives a power cut.
    pub(crate) durable: bool,
    /// Whether the repaired server was on the client's list, or why it may be still.
    pub(crate) unflagged: Result<bool, String>,
}

struct Waiting {
    wish: Wish,
    reply: oneshot::Sender<Result<Saved, NotSaved>>,
}

#[derive(Default)]
pub(crate) struct Committer {
    waiting: RefCell<Vec<Waiting>>,
    running: Cell<bool>,
    /// Requests on the wire, whose answers will want to be saved.
    awaited: Cell<usize>,
    /// Rings when somebody begins to wait here, and when an answer came.
    news: Notify,
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
    async fn gather(&self, durable: impl Future<Output = Result<(), JournalError>>) {
        let can_wait = || {
            let waiting = self.waiting.borrow();
            !waiting.is_empty() && waiting.iter().all(|waiting| waiting.wish.expired)
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
    fn next_batch(&self) -> Vec<Waiting> {
        let mut keys = BTreeSet::new();
        let (batch, rest) =
            self.waiting.take().into_iter().partition(|waiting| keys.insert(waiting.wish.key.clone()));
        self.waiting.replace(rest);
        batch
    }
}

/// Saves one entry, together with whatever else is waiting. When it returns, the change is visible and durable.
pub(crate) async fn commit<P: Partners>(shared: &Rc<Shared<P>>, wish: Wish) -> Result<Saved, NotSaved> {
    let (reply, answer) = oneshot::channel();
    let committer = &shared.committer;
    committer.waiting.borrow_mut().push(Waiting { wish, reply });
    committer.news.notify_one();
    if !committer.running.replace(true) {
        let shared = Rc::clone(shared);
        tokio::task::spawn_local(async move {
            loop {
                shared.committer.gather(shared.journal.sync()).await;
                let batch = shared.committer.next_batch();
                if batch.is_empty() {
                    break;
                }
                write(&shared, batch).await;
            }
            shared.committer.running.set(false);
        });
    }
    answer.await.unwrap_or_else(|_| Err(NotSaved { why: "the writer was stopped".into(), absent: false }))
}

async fn write<P: Partners>(shared: &Shared<P>, batch: Vec<Waiting>) {
    let mut answers = Vec::new();
    match rounds(shared, &batch, &mut answers).await {
        Ok(durable) => {
            let unflagged = unflag(shared, &batch, &answers);
            for (Waiting { wish, reply }, answer) in batch.into_iter().zip(answers) {
                let unflagged = match (&wish.repaired, &unflagged) {
                    (Some(name), Ok(removed)) => Ok(removed.contains(name)),
                    (Some(_), Err(why)) => Err(why.clone()),
                    (None, _) => Ok(false),
                };
                // A transaction that is gone needs no answer; its pair is saved.
                let _ = reply.send(answer.map(|decision| Saved { decision, durable, unflagged }));
            }
        }
        Err(error) => {
            for waiting in batch {
                let _ = waiting.reply.send(Err(error.clone()));
            }
        }
    }
}

/// Decides and writes. `Ok` says whether what the store holds then is durable.
async fn rounds<P: Partners>(
    shared: &Shared<P>,
    batch: &[Waiting],
    answers: &mut Vec<Result<WriteDecision, NotSaved>>,
) -> Result<bool, NotSaved> {
    let not_saved = |why: &dyn std::fmt::Display| NotSaved { why: why.to_string(), absent: false };
    let store = &shared.store;
    let began = Instant::now();
    let mut round = 0;
    while round < ROUNDS {
        let snapshot = match store.read().await {
            Ok(snapshot) => snapshot,
            Err(ReadError::Io { .. }) if began.elapsed() < HALF_WRITTEN => {
                tokio::time::sleep(HALF_WRITTEN_PAUSE).await;
                continue;
            }
            Err(error) => {
                let absent = matches!(error, ReadError::Absent { .. });
                return Err(NotSaved { absent, ..not_saved(&error) });
            }
        };
        let document = match snapshot.document() {
            Ok(document) => document,
            Err(error) if error.may_be_half_written() && began.elapsed() < HALF_WRITTEN => {
                tokio::time::sleep(HALF_WRITTEN_PAUSE).await;
                continue;
            }
            Err(error) => return Err(not_saved(&format_args!("{}: {error}", store.location()))),
        };
        // Waiting for half a document to become whole is no round: it would be told as somebody writing all the time.
        round += 1;
        let mut changes = Vec::new();
        answers.clear();
        for waiting in batch {
            answers.push(decide(&document, &waiting.wish, &mut changes));
        }
        if changes.is_empty() {
            // A pair that is there already may be so only until the power goes: a life before this one was killed in the middle.
            let there = answers.iter().any(|answer| matches!(answer, Ok(WriteDecision::AlreadyThere)));
            return Ok(!there || settle(shared).await);
        }
        let bytes = document.splice(&changes).map_err(|error| not_saved(&error))?;
        drop(changes);
        // I2: the answers are durable before the store changes. Both fsyncs run side by side. A journal that fails now must not
        // keep the pair out of the store, where it is safe as well.
        let (staged, journalled) = tokio::join!(store.stage(&bytes), shared.journal.sync());
        if let Err(error) = journalled {
            shared.state_trouble(&error);
        }
        let staged = staged.map_err(|error| not_saved(&error))?;
        // I3: from here to the release there is no network and no fsync.
        let lock = store.locks().storage_lock(STORAGE_LOCK_PATIENCE).await.map_err(|e| not_saved(&e))?;
        let published = store.publish(&lock, &snapshot, staged).await;
        // A lock that is no longer ours is left alone; the comparison has already decided what was written.
        let _ = lock.release();
        match published.map_err(|error| not_saved(&error))? {
            Published::Swapped => {
                return Ok(settle(shared).await);
            }
            Published::Changed => {}
        }
    }
    Err(not_saved(&format_args!(
        "{} is rewritten by others all the time; see which programs use this folder",
        store.location()
    )))
}

/// True where the store survives a power cut as it is. Else it is visible all the same, and the journal keeps the pair.
async fn settle<P: Partners>(shared: &Shared<P>) -> bool {
    match shared.store.settle().await {
        Ok(()) => true,
        Err(error) => {
            shared.state_trouble(&error);
            false
        }
    }
}

/// Step 8: new sessions skip a flagged server for 15 minutes, however good its token is (measured). All of a write at once.
fn unflag<P: Partners>(
    shared: &Shared<P>,
    batch: &[Waiting],
    answers: &[Result<WriteDecision, NotSaved>],
) -> Result<BTreeSet<String>, String> {
    let good = |answer: &Result<WriteDecision, NotSaved>| {
        matches!(answer, Ok(WriteDecision::Write | WriteDecision::Repair | WriteDecision::AlreadyThere))
    };
    let repaired: BTreeSet<&str> = batch
        .iter()
        .zip(answers)
        .filter(|(_, answer)| good(answer))
        .filter_map(|(waiting, _)| waiting.wish.repaired.as_deref())
        .collect();
    shared.needs_auth.remove_all(&repaired).map_err(|error| error.to_string())
}

/// One entry's decision against the document as it is.
fn decide(
    document: &Document<'_>,
    wish: &Wish,
    changes: &mut Vec<(EntryKey, Change)>,
) -> Result<WriteDecision, NotSaved> {
    let seen = document.entry(&wish.key).cloned().map(Seen::new);
    if seen.is_none() && document.raw_entry(&wish.key).is_some() {
        let why = format!(
            "entry `{}` now has a form that is not understood and is left alone; mend it or log in again",
            wish.key
        );
        return Err(NotSaved { why, absent: false });
    }
    if let (None, Some(why)) = (&seen, document.incomplete()) {
        return Err(NotSaved { why: format!("entry `{}` cannot be seen: {why}", wish.key), absent: false });
    }
    let decided = (wish.decide)(seen.as_ref());
    changes.extend(decided.change.map(|change| (wish.key.clone(), change)));
    Ok(decided.decision)
}
