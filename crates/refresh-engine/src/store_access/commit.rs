//! Group commit: entries that are ready together go into one write of the document.
//!
//! Each round reads the document once, decides every waiting request against it, splices all changes in one pass, and
//! publishes the result under the storage lock. Requests that arrive during a round go into the next one, and the pairs of expired entries wait
//! briefly for answers in flight, so that a storm of N refreshes costs a few writes.

use crate::decide::compare::WriteDecision;
use crate::store_access::committer::{NotSaved, Saved};
use crate::store_access::reading::{Unreadable, document, entry, read};
use crate::store_access::shared::Shared;
use crate::store_access::write_request::{Known, WriteRequest};
use crate::{ObservedEntry, Partners};
use claude_store::{Change, Document, EntryKey, Published, Store};
use compact::Set;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for the storage lock; its holders keep it for one write.
const STORAGE_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long to retry an unreadable document: old clients write in place, so it may be half-written.
const HALF_WRITTEN: Duration = Duration::from_secs(1);
const HALF_WRITTEN_PAUSE: Duration = Duration::from_millis(50);
/// Every lost comparison means that another program wrote; none writes this often.
const ROUNDS: u32 = 20;

/// Saves one entry, together with everything else that is waiting. On return the change is visible, and durable if the result says so.
pub(crate) async fn commit<P: Partners>(
    shared: &Shared<P>,
    request: WriteRequest,
) -> Result<Saved, NotSaved> {
    let committer = &shared.committer;
    committer.news.notify_one();
    let saved = committer.writes.ask(request, async |writes| {
        // Let requests that are ready now join.
        tokio::task::yield_now().await;
        committer.gather(shared.journal.sync()).await;
        let mut keys = Set::new();
        let batch: Vec<_> =
            writes.waiting().into_iter().take_while(|request| keys.insert(request.key().clone())).collect();
        match write(shared, &batch).await {
            Ok(saved) => saved,
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
        }
    });
    saved.await
}

/// Decides all waiting requests and writes the results at once.
async fn write<P: Partners>(
    shared: &Shared<P>,
    batch: &[Rc<WriteRequest>],
) -> Result<Vec<Result<Saved, NotSaved>>, NotSaved> {
    let store = &shared.store;
    let began = Instant::now();
    let mut round = 0;
    while round < ROUNDS {
        let half_written = |error: &Unreadable| error.may_be_half_written() && began.elapsed() < HALF_WRITTEN;
        let snapshot = match read(store).await {
            Err(error) if half_written(&error) => {
                tokio::time::sleep(HALF_WRITTEN_PAUSE).await;
                continue;
            }
            read => read?,
        };
        let document = match document(store, &snapshot) {
            Err(error) if half_written(&error) => {
                tokio::time::sleep(HALF_WRITTEN_PAUSE).await;
                continue;
            }
            document => document?,
        };
        // Waiting for a half-written document does not count as a round, or it would be reported as constant rewriting.
        round += 1;
        let mut changes = Vec::new();
        let decided: Vec<_> =
            batch.iter().map(|request| decide(shared, &document, request, &mut changes)).collect();
        let had_room =
            decided.iter().zip(batch).filter(|(one, request)| one.is_ok() && request.has_room()).count();
        let there = decided.iter().any(|one| matches!(one, Ok((WriteDecision::AlreadyThere, _))));
        let saved = |durable| {
            let saved = |(decision, found)| Saved { decision, found, durable };
            decided.into_iter().map(|decided| decided.map(saved)).collect()
        };
        if changes.is_empty() {
            // A pair that is already there may not be durable: an earlier run may have been killed halfway.
            let durable = !there || settle(shared).await;
            return Ok(saved(durable));
        }
        let bytes = document.splice(&changes)?;
        drop(changes);
        // I2: the answers are durable before the store changes. Both fsyncs run in parallel. A journal that fails now must not
        // keep the pair out of the store, where it is just as safe.
        let (staged, journalled) = tokio::join!(store.stage(&bytes), shared.journal.sync());
        if let Err(error) = journalled {
            shared.state_trouble(&error);
        }
        let staged = staged?;
        // I3: from here to the release there is no network and no fsync.
        let lock = store.locks().storage_lock(STORAGE_LOCK_PATIENCE).await;
        let lock = lock.map_err(|error| NotSaved::Locked(Arc::new(error)))?;
        // If this process is killed now, clients would wait for the lock, and lose what they write.
        if let Some(id) = batch.iter().find_map(|request| request.transaction()) {
            let _ = shared.journal.writing(id, lock.if_left());
        }
        let published = store.publish(&lock, &snapshot, staged).await;
        // Leave a lock alone that is no longer ours; the comparison has already decided what was written.
        let _ = lock.release();
        match published? {
            Published::Swapped => {
                let durable = settle(shared).await;
                // The swap used up the room. Those that are saved now need none.
                if shared.in_flight.get() > had_room {
                    store.refill_reservation();
                }
                return Ok(saved(durable));
            }
            Published::Changed => {}
        }
    }
    Err(NotSaved::Contended { location: store.location().to_owned() })
}

/// True if the store survives a power cut as it is. If not, the change is still visible, and the journal keeps the pair.
async fn settle<P: Partners>(shared: &Shared<P>) -> bool {
    match shared.store.settle().await {
        Ok(()) => true,
        Err(error) => {
            shared.state_trouble(&error);
            false
        }
    }
}

/// Decides one request against the present document.
fn decide<P: Partners>(
    shared: &Shared<P>,
    document: &Document<'_>,
    request: &WriteRequest,
    changes: &mut Vec<(EntryKey, Change)>,
) -> Result<(WriteDecision, Option<ObservedEntry>), NotSaved> {
    let key = request.key();
    let found = entry(document, key)?;
    let (forgotten, stub_for) = match request {
        WriteRequest::Obtained(pair) => shared.state(key, |state| {
            let now = shared.now();
            if let Some(stub) = found.as_ref().filter(|found| found.entry.is_stub()) {
                state.note_stub(stub, now);
            }
            (state.is_forgotten(pair.run), shared.stub_for(state, now))
        }),
        WriteRequest::Replace { .. } | WriteRequest::Reinsert { .. } => (false, Duration::ZERO),
    };
    let (decision, change) = shared
        .read_record(key, |record| request.decide(found.as_ref(), &Known { record, forgotten, stub_for }));
    changes.extend(change.map(|change| (key.clone(), change)));
    Ok((decision, found))
}
