//! What is remembered of every entry, in memory and in one file in the state folder.

pub(crate) mod narrowing;
pub(crate) mod obstacle;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod verdict;

mod error;
mod file;
mod format;
mod observation;
mod time_left;

pub use error::RecordsError;

use crate::Record;
use crate::coalesced::Coalesced;
use claude_store::{EntryKey, FileSystem};
use compact::Set;
use file::{Found, Name, RecordsFile};
use format::Stores;
use oauth_secret::TokenDigest;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// What is remembered of every entry, in one file in the state folder. It holds no token. Clones share it.
pub struct Records<F: FileSystem> {
    inner: Rc<Inner<F>>,
}

impl<F: FileSystem> Clone for Records<F> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

struct Inner<F: FileSystem> {
    file: RecordsFile<F>,
    stores: RefCell<Stores>,
    /// The entries whose record differs from the file, each with the number of its last change.
    changed: RefCell<BTreeMap<Name, u64>>,
    /// Counts changes, so that a save knows whether it included the last one.
    changes: Cell<u64>,
    /// The entry whose record is to be saved; `None` for all.
    saves: Coalesced<Option<Name>, Result<(), RecordsError>>,
}

impl<F: FileSystem> Inner<F> {
    fn note_change(&self, store: &str, key: &EntryKey) {
        self.changes.set(self.changes.get() + 1);
        self.changed.borrow_mut().insert((store.to_owned(), key.as_str().to_owned()), self.changes.get());
    }

    /// Those of the entries that are asked for, or of all, whose record differs from the file.
    fn to_save(&self, asked: &[Rc<Option<Name>>]) -> Set<Name> {
        let changed = self.changed.borrow();
        let all = || changed.keys().cloned().collect();
        let asked: Option<Set<Name>> = asked.iter().map(|name| Option::clone(name)).collect();
        asked.map_or_else(all, |asked| asked.into_iter().filter(|name| changed.contains_key(name)).collect())
    }
}

impl<F: FileSystem> Records<F> {
    /// Reads the records in this folder. Starts empty if there are none. If they cannot be understood, starts empty and keeps
    /// the file under another name; the second value says so.
    ///
    /// # Errors
    /// The file cannot be read, or a newer version wrote it.
    pub fn load(files: F, folder: &Path) -> Result<(Self, Option<String>), RecordsError> {
        let file = RecordsFile::new(files, folder);
        let Found { stores, trouble } = file.load(true)?;
        Ok((Self::with(file, stores), trouble))
    }

    /// Reads the records without changing anything, for use outside the agent. Unreadable records count as
    /// empty.
    #[must_use]
    pub fn peek(files: F, folder: &Path) -> Self {
        let file = RecordsFile::new(files, folder);
        let stores = file.load(false).map_or_else(|_| Stores::new(), |found| found.stores);
        Self::with(file, stores)
    }

    fn with(file: RecordsFile<F>, stores: Stores) -> Self {
        Self {
            inner: Rc::new(Inner {
                file,
                stores: RefCell::new(stores),
                changed: RefCell::default(),
                changes: Cell::new(0),
                saves: Coalesced::default(),
            }),
        }
    }

    /// Reads one entry's record.
    pub fn read<R>(&self, store: &str, key: &EntryKey, look: impl FnOnce(&Record) -> R) -> R {
        let stores = self.inner.stores.borrow();
        match stores.get(store).and_then(|entries| entries.get(key.as_str())) {
            Some(record) => look(record),
            None => look(&Record::default()),
        }
    }

    /// All refresh tokens, of any entry, that are known to have been exchanged.
    #[must_use]
    pub fn spent_tokens(&self) -> compact::Set<TokenDigest> {
        let stores = self.inner.stores.borrow();
        stores.values().flat_map(BTreeMap::values).flat_map(|record| record.spent.iter().copied()).collect()
    }

    /// Changes one entry's record. It reaches the disk with the next [`save`](Self::save).
    pub fn change<R>(&self, store: &str, key: &EntryKey, change: impl FnOnce(&mut Record) -> R) -> R {
        let mut stores = self.inner.stores.borrow_mut();
        if !stores.contains_key(store) {
            stores.insert(store.to_owned(), BTreeMap::new());
        }
        let mut missing = Record::default();
        let Some(entries) = stores.get_mut(store) else { return change(&mut missing) };
        let record = entries.entry(key.as_str().to_owned()).or_default();
        let before = record.clone();
        let result = change(record);
        if *record != before {
            self.inner.note_change(store, key);
        }
        result
    }

    /// Drops the record of an entry that was removed from its store.
    pub fn forget(&self, store: &str, key: &EntryKey) {
        let mut stores = self.inner.stores.borrow_mut();
        if stores.get_mut(store).is_some_and(|entries| entries.remove(key.as_str()).is_some()) {
            self.inner.note_change(store, key);
        }
    }

    /// True if something has changed since the last save.
    #[must_use]
    pub fn unsaved(&self) -> bool {
        !self.inner.changed.borrow().is_empty()
    }

    /// Saves every change made so far, durably. Concurrent callers share one write.
    ///
    /// # Errors
    /// The file system refuses; the changes stay in memory and the next call tries again.
    pub async fn save(&self) -> Result<(), RecordsError> {
        if self.unsaved() { self.save_with(None).await } else { Ok(()) }
    }

    /// The same for one entry's record. In a storm, those of others that are being refreshed have yet to change.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub async fn save_entry(&self, store: &str, key: &EntryKey) -> Result<(), RecordsError> {
        let name = (store.to_owned(), key.as_str().to_owned());
        if !self.inner.changed.borrow().contains_key(&name) {
            return Ok(());
        }
        self.save_with(Some(name)).await
    }

    async fn save_with(&self, only: Option<Name>) -> Result<(), RecordsError> {
        let inner = &self.inner;
        let save = async |saves: &Coalesced<Option<Name>, _>| {
            let waiting = saves.waiting();
            let (names, covers) = (inner.to_save(&waiting), inner.changes.get());
            let result = inner.file.save(&inner.stores, &names).await.map(|all| {
                let is_saved = |name: &Name, change: u64| change <= covers && (all || names.contains(name));
                inner.changed.borrow_mut().retain(|name, change| !is_saved(name, *change));
            });
            vec![result; waiting.len()]
        };
        inner.saves.ask(only, save).await
    }
}
