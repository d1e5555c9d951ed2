//! When a transaction may leave the journal: once the pair is durable in the store, and what was learned of its token in the records.
//!
//! Where the medium refuses either, the transaction stays open and is closed later. Until then a power cut may bring the old document
//! or the old record back, and what the journal holds is what keeps a spent token from being presented again.

use crate::Partners;
use crate::journal::TransactionId;
use crate::store_access::shared::{Shared, Superseded};
use claude_store::{EntryKey, Store};
use oauth_secret::TokenDigest;

/// A medium that refuses for good must not let the journal grow for ever; beyond this the oldest is closed all the same.
const MOST_UNSETTLED: usize = 256;

/// Closes a transaction that has ended. `stored` says whether the store is durable as far as this one changed it.
pub(crate) async fn close<P: Partners>(shared: &Shared<P>, id: TransactionId, stored: bool) {
    if !stored {
        leave_open(shared, id);
    }
    // Refreshes that end together share this save.
    let recorded = shared.save_records().await;
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

/// Makes durable what the medium refused before, and closes the transactions that waited for it. True where nothing is left to do.
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
    // Those that came meanwhile wait for the next time: what they changed may have come after the sync.
    shared.unsettled.borrow_mut().retain(|id| !waiting.contains(id));
    for id in waiting {
        shared.journal.done(id);
    }
    let settled = shared.unsettled.borrow().is_empty();
    if settled {
        // Should it come again, it is news.
        shared.trouble.take();
    }
    settled
}

/// Our pair stays in the journal until the pair in the store has refreshed once: should that one prove dead, ours is left.
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
