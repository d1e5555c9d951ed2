//! Keeps this process away from one entry while its grant moves between stores: nothing is presented, healed or written there.

use super::Keeper;
use super::state::KeeperState;
use crate::Partners;
use claude_store::EntryKey;
use compact::Set;
use std::rc::Rc;
use std::time::Duration;

/// How often to look whether a running transaction has ended.
const LOOK: Duration = Duration::from_millis(50);

/// An entry that is left alone until this is dropped or [released](Hold::release).
#[must_use = "the entry is left alone only as long as this lives"]
pub struct Hold<P: Partners> {
    inner: Rc<KeeperState<P>>,
    key: EntryKey,
}

impl<P: Partners> Keeper<P> {
    /// Leaves this entry alone, once nothing runs for it any more: what is on the wire is finished and saved first (I6). The entry
    /// need not exist.
    pub async fn hold(&self, key: &EntryKey) -> Hold<P> {
        let shared = &self.inner.shared;
        while shared.begin(key).is_none() {
            tokio::time::sleep(LOOK).await;
        }
        shared.state(key, |state| state.moves = true);
        Hold { inner: Rc::clone(&self.inner), key: key.clone() }
    }

    /// From now on, entries without tokens under these keys count as absent: their grants are in another store of this program.
    pub fn disregard(&self, keys: Set<EntryKey>) {
        if *self.inner.shared.disregarded.borrow() == keys {
            return;
        }
        self.inner.shared.disregarded.replace(keys);
        self.inner.version.set(None);
        self.inner.shared.ended.notify_one();
    }

    /// The entries under disregarded keys that hold a refresh token all the same: a client has written one.
    #[must_use]
    pub fn returned(&self) -> Set<EntryKey> {
        let shared = &self.inner.shared;
        let entries = shared.entries.borrow();
        let live = |key: &&EntryKey| {
            let current = entries.get(*key).and_then(|state| state.current.as_ref());
            current.is_some_and(|seen| seen.refresh.is_some())
        };
        shared.disregarded.borrow().iter().filter(live).cloned().collect()
    }

    /// Waits until a scan finds such an entry.
    pub async fn something_returned(&self) {
        self.inner.shared.returned.notified().await;
    }

    /// Takes over what is remembered of an entry that moves here from another store: how its server wants to be asked, which tokens are
    /// spent.
    pub fn take_record_from(&self, other: &Self, key: &EntryKey) {
        let record = other.inner.shared.read_record(key, Clone::clone);
        self.inner.shared.change_record(key, |own| *own = record);
    }
}

impl<P: Partners> Hold<P> {
    /// The entry.
    #[must_use]
    pub fn key(&self) -> &EntryKey {
        &self.key
    }

    /// Looks at the store, takes note of what the move did, and goes on with the entry.
    pub async fn release(self) {
        self.inner.version.set(None);
        self.inner.scan().await;
        self.inner.shared.save_records().await;
    }
}

impl<P: Partners> Drop for Hold<P> {
    fn drop(&mut self) {
        self.inner.shared.state(&self.key, |state| state.moves = false);
        self.inner.finished(&self.key);
    }
}

impl<P: Partners> std::fmt::Debug for Hold<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("key", &self.key).finish_non_exhaustive()
    }
}
