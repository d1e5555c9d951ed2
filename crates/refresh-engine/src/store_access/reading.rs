//! Shared reads: transactions that want to see the store under their locks at the same time see it by one read.
//!
//! A read answers only who asked before it began, so each sees the store as it was after it had its lock. In a storm the document is
//! read and parsed once for all that begin together, not once for each.

use crate::store_access::reader::Reading;
use crate::store_access::shared::Shared;
use crate::{ObservedEntry, Partners};
use claude_store::{EntryKey, ReadError, Snapshot, Store};
use std::rc::Rc;
use tokio::sync::oneshot;

/// Reads one entry as the store holds it now. Seeing it absent, even once, is remembered for the transaction that runs (I5).
pub(crate) async fn read_entry<P: Partners>(
    shared: &Rc<Shared<P>>,
    key: &EntryKey,
) -> Result<Reading, String> {
    let (reply, answer) = oneshot::channel();
    let reader = &shared.reader;
    reader.waiting.borrow_mut().push((key.clone(), reply));
    if !reader.running.replace(true) {
        let shared = Rc::clone(shared);
        tokio::task::spawn_local(async move {
            loop {
                let asked = shared.reader.waiting.take();
                if asked.is_empty() {
                    break;
                }
                let read = shared.store.read().await;
                let readings = readings(&shared, &read, asked.iter().map(|(key, _)| key));
                for ((_, reply), reading) in asked.into_iter().zip(readings) {
                    // Whoever asked may be gone.
                    let _ = reply.send(reading);
                }
            }
            shared.reader.running.set(false);
        });
    }
    answer.await.unwrap_or_else(|_| Err("the reader was stopped".into()))
}

fn readings<'k, P: Partners>(
    shared: &Shared<P>,
    read: &Result<Snapshot, ReadError>,
    keys: impl Iterator<Item = &'k EntryKey>,
) -> Vec<Result<Reading, String>> {
    let document = match read {
        Ok(snapshot) => {
            snapshot.document().map(|document| (snapshot.bytes().len(), snapshot.version(), document))
        }
        Err(error) => return keys.map(|_| Err(error.to_string())).collect(),
    };
    let (size, version, document) = match document {
        Ok(read) => read,
        Err(error) => return keys.map(|_| Err(format!("{}: {error}", shared.location()))).collect(),
    };
    let reading = |key: &EntryKey| {
        let seen = document.entry(key).cloned().map(ObservedEntry::new);
        if seen.is_none() && document.raw_entry(key).is_some() {
            return Err(format!("entry `{key}` has a form that is not understood; mend it or log in again"));
        }
        if let (None, Some(why)) = (&seen, document.incomplete()) {
            return Err(format!("entry `{key}` cannot be seen: {why}"));
        }
        if seen.is_none() {
            // I5: whoever looks first takes note.
            shared.track(key, |tracked| tracked.forgotten.set(true));
        }
        Ok(Reading { size, version, seen })
    };
    keys.map(reading).collect()
}
