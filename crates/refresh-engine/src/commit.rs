//! Group commit: entries that are ready together go into one write of the document.
//!
//! Each round reads the document once, lets every waiting entry decide against what it reads, splices all changes in one pass,
//! and publishes the result under the storage lock. What arrives during a round goes into the next one, so that a storm of
//! N refreshes costs a few writes.

use crate::compare::WriteDecision;
use crate::shared::Shared;
use crate::{Partners, Seen};
use claude_store::{Change, Document, EntryKey, Published, ReadError, Store};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long the storage lock is waited for; whoever holds it holds it for one write.
const STORAGE_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// An unreadable document is read again for this long: old clients write in place, so half of it can be seen.
const HALF_WRITTEN: Duration = Duration::from_secs(1);
const HALF_WRITTEN_PAUSE: Duration = Duration::from_millis(50);
/// Every lost comparison means that somebody else wrote; nobody writes this often.
const ROUNDS: u32 = 20;

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
}

struct Waiting {
    key: EntryKey,
    decide: Decide,
    reply: oneshot::Sender<Result<WriteDecision, NotSaved>>,
}

#[derive(Default)]
pub(crate) struct Committer {
    waiting: RefCell<Vec<Waiting>>,
    running: Cell<bool>,
}

impl Committer {
    /// Everything that waits, but one change per entry.
    fn next_batch(&self) -> Vec<Waiting> {
        let mut keys = BTreeSet::new();
        let (batch, rest) =
            self.waiting.take().into_iter().partition(|waiting| keys.insert(waiting.key.clone()));
        self.waiting.replace(rest);
        batch
    }
}

/// Saves one entry, together with whatever else is waiting. When it returns, the change is visible and durable.
pub(crate) async fn commit<P: Partners>(
    shared: &Rc<Shared<P>>,
    key: EntryKey,
    decide: Decide,
) -> Result<WriteDecision, NotSaved> {
    let (reply, answer) = oneshot::channel();
    let committer = &shared.committer;
    committer.waiting.borrow_mut().push(Waiting { key, decide, reply });
    if !committer.running.replace(true) {
        let shared = Rc::clone(shared);
        tokio::task::spawn_local(async move {
            loop {
                let batch = shared.committer.next_batch();
                if batch.is_empty() {
                    break;
                }
                write(&shared, batch).await;
            }
            shared.committer.running.set(false);
        });
    }
    answer.await.unwrap_or_else(|_| Err(NotSaved { why: "the writer was stopped".into() }))
}

async fn write<P: Partners>(shared: &Shared<P>, batch: Vec<Waiting>) {
    let mut answers = Vec::new();
    match rounds(shared, &batch, &mut answers).await {
        Ok(()) => {
            for (waiting, answer) in batch.into_iter().zip(answers) {
                // A transaction that is gone needs no answer; its pair is saved.
                let _ = waiting.reply.send(answer);
            }
        }
        Err(error) => {
            for waiting in batch {
                let _ = waiting.reply.send(Err(error.clone()));
            }
        }
    }
}

async fn rounds<P: Partners>(
    shared: &Shared<P>,
    batch: &[Waiting],
    answers: &mut Vec<Result<WriteDecision, NotSaved>>,
) -> Result<(), NotSaved> {
    let not_saved = |why: &dyn std::fmt::Display| NotSaved { why: why.to_string() };
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
            Err(error) => return Err(not_saved(&error)),
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
            answers.push(decide(&document, waiting, &mut changes));
        }
        if changes.is_empty() {
            return Ok(());
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
                if let Err(error) = store.settle().await {
                    // Visible, and in the journal; only the name may be lost in a power cut, and then the replay mends it.
                    shared.state_trouble(&error);
                }
                return Ok(());
            }
            Published::Changed => {}
        }
    }
    Err(not_saved(&format_args!(
        "{} is rewritten by others all the time; see which programs use this folder",
        store.location()
    )))
}

/// One entry's decision against the document as it is.
fn decide(
    document: &Document<'_>,
    waiting: &Waiting,
    changes: &mut Vec<(EntryKey, Change)>,
) -> Result<WriteDecision, NotSaved> {
    let seen = document.entry(&waiting.key).cloned().map(Seen::new);
    if seen.is_none() && document.raw_entry(&waiting.key).is_some() {
        let why = format!(
            "entry `{}` now has a form that is not understood and is left alone; mend it or log in again",
            waiting.key
        );
        return Err(NotSaved { why });
    }
    let decided = (waiting.decide)(seen.as_ref());
    changes.extend(decided.change.map(|change| (waiting.key.clone(), change)));
    Ok(decided.decision)
}
