//! Shared reads: transactions that read the store under their locks at the same time share one read.
//!
//! A read answers only those that asked before it started, so each sees the store as it was after taking its lock. In a storm the document
//! is read and parsed once for all that start together.

use crate::Partners;
use crate::store_access::entry_state::EntryState;
use crate::store_access::reading::{Reading, Unreadable, document, entry, read};
use crate::store_access::shared::Shared;
use claude_store::EntryKey;
use std::rc::Rc;

/// Reads one entry as the store holds it now. Seeing it absent, even once, is noted for the running transaction (I5).
pub(crate) async fn read_entry<P: Partners>(
    shared: &Shared<P>,
    key: &EntryKey,
) -> Result<Reading, Unreadable> {
    let answer = shared.reads.ask(key.clone(), async |reads| {
        // Let transactions that start together join.
        tokio::task::yield_now().await;
        let keys = reads.waiting();
        match read_entries(shared, &keys).await {
            Ok(readings) => readings,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    });
    answer.await
}

async fn read_entries<P: Partners>(
    shared: &Shared<P>,
    keys: &[Rc<EntryKey>],
) -> Result<Vec<Result<Reading, Unreadable>>, Unreadable> {
    let snapshot = read(&shared.store).await?;
    let (size, version) = (snapshot.bytes().len(), snapshot.version());
    let document = document(&shared.store, &snapshot)?;
    let reading = |key: &Rc<EntryKey>| {
        let seen = entry(&document, key)?;
        if seen.is_none() {
            // I5: the first reader takes note.
            shared.state(key, EntryState::forget_run);
        }
        Ok(Reading { size, version, seen })
    };
    Ok(keys.iter().map(reading).collect())
}
