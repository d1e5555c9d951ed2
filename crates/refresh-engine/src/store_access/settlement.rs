//! When a transaction may leave the journal: once the pair is durable in the store, and the verdict on its token in the records.
//!
//! If either fsync fails, the transaction stays open and is closed later. Until then a power cut may bring the old document
//! or the old record back, and only the journal keeps a spent token from being presented again.

use crate::Partners;
use crate::journal::TransactionId;
use crate::store_access::shared::{Shared, Superseded};
use claude_store::{EntryKey, Store};
use oauth_secret::TokenDigest;

/// A permanently failing disk must not let the journal grow forever; beyond this the oldest transaction is closed anyway.
const MOST_UNSETTLED: usize = 256;

/// Closes a transaction of this entry that has ended. `stored` says whether its change to the store is durable.
pub(crate) async fn close<P: Partners>(shared: &Shared<P>, key: &EntryKey, id: TransactionId, stored: bool) {
    if !stored {
        leave_open(shared, id);
    }
    // Refreshes that end together share this save.
    let recorded = shared.save_record(key).await;
    match (stored, recorded) {
        (true, true) => shared.journal.done(id),
        (true, false) => leave_open(shared, id),
        (false, _) => {}
    }
}

fn leave_open<P: Partners>(shared: &Shared<P>, id: TransactionId) {
    let mut unsettled = shared.unsettled.borrow_mut();
    unsettled.push(id);
    if unsettled.len() > MOST_UNSETTLED {
        shared.journal.done(unsettled.remove(0));
    }
}

/// Retries failed syncs, and closes the transactions that waited for them. True if nothing is left to do.
pub(crate) async fn close_unsettled<P: Partners>(shared: &Shared<P>) -> bool {
    let waiting = shared.unsettled.borrow().clone();
    let recorded = shared.save_records().await;
    if waiting.is_empty() || !recorded {
        return recorded;
    }
    if let Err(error) = shared.store.settle().await {
        shared.state_trouble(&error);
        return false;
    }
    // Newer ones wait for the next time: they may have changed something after the sync.
    shared.unsettled.borrow_mut().retain(|id| !waiting.contains(id));
    for id in waiting {
        shared.journal.done(id);
    }
    let settled = shared.unsettled.borrow().is_empty();
    if settled {
        // A recurrence is news.
        shared.trouble.take();
    }
    settled
}

/// Our pair stays in the journal until the pair in the store has refreshed once: if that one proves dead, ours is the last.
pub(crate) fn keep_superseded<P: Partners>(shared: &Shared<P>, key: &EntryKey, ours: Superseded) {
    if let Err(error) = shared.journal.supersede(ours.id, ours.by) {
        shared.state_trouble(&error);
    }
    shared.superseded.borrow_mut().entry(key.clone()).or_default().push(ours);
}

/// Drops superseded pairs: all of this entry, or those whose successor is no longer `current`.
pub(crate) fn close_superseded<P: Partners>(
    shared: &Shared<P>,
    key: &EntryKey,
    current: Option<TokenDigest>,
) {
    let mut all = shared.superseded.borrow_mut();
    let Some(pairs) = all.get_mut(key) else { return };
    pairs.retain(|pair| {
        let keep = current.is_some_and(|current| current == pair.by);
        if !keep {
            shared.journal.done(pair.id);
        }
        keep
    });
    if pairs.is_empty() {
        all.remove(key);
    }
}
