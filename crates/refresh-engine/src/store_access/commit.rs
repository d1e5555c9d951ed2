//! Group commit: entries that are ready together go into one write of the document.
//!
//! Each round reads the document once, lets every waiting entry decide against what it reads, splices all changes in one pass,
//! and publishes the result under the storage lock. What arrives during a round goes into the next one, and the pairs of expired
//! entries wait a moment for answers that are on their way, so that a storm of N refreshes costs a few writes.

use crate::decide::compare::WriteDecision;
use crate::store_access::committer::{NotSaved, Saved, Waiting, WriteRequest};
use crate::store_access::shared::Shared;
use crate::{ObservedEntry, Partners};
use claude_store::{Change, Document, EntryKey, Published, ReadError, Store};
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

/// Saves one entry, together with whatever else is waiting. When it returns, the change is visible and durable.
pub(crate) async fn commit<P: Partners>(
    shared: &Rc<Shared<P>>,
    request: WriteRequest,
) -> Result<Saved, NotSaved> {
    let (reply, answer) = oneshot::channel();
    let committer = &shared.committer;
    committer.waiting.borrow_mut().push(Waiting { request, reply });
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
            for (Waiting { request, reply }, answer) in batch.into_iter().zip(answers) {
                let unflagged = match (&request.repaired, &unflagged) {
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
            answers.push(decide(&document, &waiting.request, &mut changes));
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
        .filter_map(|(waiting, _)| waiting.request.repaired.as_deref())
        .collect();
    shared.needs_auth.remove_all(&repaired).map_err(|error| error.to_string())
}

/// One entry's decision against the document as it is.
fn decide(
    document: &Document<'_>,
    request: &WriteRequest,
    changes: &mut Vec<(EntryKey, Change)>,
) -> Result<WriteDecision, NotSaved> {
    let seen = document.entry(&request.key).cloned().map(ObservedEntry::new);
    if seen.is_none() && document.raw_entry(&request.key).is_some() {
        let why = format!(
            "entry `{}` now has a form that is not understood and is left alone; mend it or log in again",
            request.key
        );
        return Err(NotSaved { why, absent: false });
    }
    if let (None, Some(why)) = (&seen, document.incomplete()) {
        return Err(NotSaved {
            why: format!("entry `{}` cannot be seen: {why}", request.key),
            absent: false,
        });
    }
    let decided = (request.decide)(seen.as_ref());
    changes.extend(decided.change.map(|change| (request.key.clone(), change)));
    Ok(decided.decision)
}
