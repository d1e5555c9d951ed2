use crate::Record;
use claude_store::{EntryKey, FileKind, FileSystem};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const FILE_NAME: &str = "state.json";
const VERSION: u32 = 1;
const READ_LIMIT: u64 = 64 * 1024 * 1024;
const MODE: u32 = 0o600;

/// What is remembered of every entry, kept in one file of the state folder. It holds no token. Clones share it.
pub struct Records<F: FileSystem> {
    inner: Rc<Inner<F>>,
}

impl<F: FileSystem> Clone for Records<F> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

struct Inner<F> {
    files: F,
    folder: PathBuf,
    stores: RefCell<Stores>,
    /// Counts changes, so that a save knows whether it caught the last one.
    changes: Cell<u64>,
    saved: Cell<u64>,
    saving: Cell<bool>,
    idle: tokio::sync::Notify,
}

type Stores = BTreeMap<String, BTreeMap<String, Record>>;

#[derive(Serialize, Deserialize)]
struct Format<S> {
    format_version: u32,
    stores: S,
}

/// The records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}; make sure that the folder is yours and has room", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Written by a newer version.
    #[error(
        "{path} was written by a newer mcp-refreshd (format {found}, this one knows {VERSION}); run the newer version",
        path = path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

impl<F: FileSystem> Records<F> {
    /// Reads the records in this folder. None there: starts without. Where they cannot be understood, starts without and keeps
    /// the file under another name; the second value says so.
    ///
    /// # Errors
    /// When the file cannot be read or a newer version wrote it.
    pub fn load(files: F, folder: &Path) -> Result<(Self, Option<String>), RecordsError> {
        let path = folder.join(FILE_NAME);
        let (stores, trouble) = match read(&files, &path)? {
            Read::Stores(stores) => (stores, None),
            Read::Damaged(why) => {
                let aside = path.with_extension("json.damaged");
                files.rename(&path, &aside).map_err(|error| io_error("set aside", &path, error))?;
                let told = format!(
                    "{} could not be understood ({why}); it was kept as {} and the records start anew",
                    path.display(),
                    aside.display()
                );
                (Stores::new(), Some(told))
            }
        };
        Ok((Self::with(files, folder, stores), trouble))
    }

    /// Reads the records without changing anything, for a look from outside the daemon. What cannot be read is taken as
    /// nothing remembered.
    #[must_use]
    pub fn peek(files: F, folder: &Path) -> Self {
        let stores = match read(&files, &folder.join(FILE_NAME)) {
            Ok(Read::Stores(stores)) => stores,
            Ok(Read::Damaged(_)) | Err(_) => Stores::new(),
        };
        Self::with(files, folder, stores)
    }

    fn with(files: F, folder: &Path, stores: Stores) -> Self {
        Self {
            inner: Rc::new(Inner {
                files,
                folder: folder.to_owned(),
                stores: RefCell::new(stores),
                changes: Cell::new(0),
                saved: Cell::new(0),
                saving: Cell::new(false),
                idle: tokio::sync::Notify::new(),
            }),
        }
    }

    /// Looks at one entry's record.
    pub fn read<R>(&self, store: &str, key: &EntryKey, look: impl FnOnce(&Record) -> R) -> R {
        let stores = self.inner.stores.borrow();
        match stores.get(store).and_then(|entries| entries.get(key.as_str())) {
            Some(record) => look(record),
            None => look(&Record::default()),
        }
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
            self.inner.changes.set(self.inner.changes.get() + 1);
        }
        result
    }

    /// Forgets an entry that was removed from its store.
    pub fn forget(&self, store: &str, key: &EntryKey) {
        let mut stores = self.inner.stores.borrow_mut();
        if stores.get_mut(store).is_some_and(|entries| entries.remove(key.as_str()).is_some()) {
            self.inner.changes.set(self.inner.changes.get() + 1);
        }
    }

    /// True where something was changed since the last save.
    #[must_use]
    pub fn unsaved(&self) -> bool {
        self.inner.saved.get() != self.inner.changes.get()
    }

    /// Brings every change made so far to the disk, durably.
    ///
    /// # Errors
    /// When the file system refuses; the changes stay in memory and the next call tries again.
    pub async fn save(&self) -> Result<(), RecordsError> {
        let inner = &self.inner;
        while self.unsaved() {
            if inner.saving.get() {
                inner.idle.notified().await;
                continue;
            }
            inner.saving.set(true);
            let covers = inner.changes.get();
            let result = self.write().await;
            inner.saving.set(false);
            inner.idle.notify_waiters();
            result?;
            inner.saved.set(covers);
        }
        Ok(())
    }

    async fn write(&self) -> Result<(), RecordsError> {
        let Inner { files, folder, stores, .. } = &*self.inner;
        let path = folder.join(FILE_NAME);
        let beside = folder.join(format!("{FILE_NAME}.new"));
        let bytes = serde_json::to_vec(&Format { format_version: VERSION, stores: &*stores.borrow() })
            .map_err(|error| io_error("write", &path, error.into()))?;
        match files.remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("replace", &beside, error));
            }
            _ => {}
        }
        let file = files.create_file(&beside, MODE).map_err(|error| io_error("create", &beside, error))?;
        files.append(&file, &bytes).map_err(|error| io_error("write", &beside, error))?;
        files.sync(&file).await.map_err(|error| io_error("save", &beside, error))?;
        files.rename(&beside, &path).map_err(|error| io_error("replace", &path, error))?;
        files.sync_folder(folder).await.map_err(|error| io_error("save", &path, error))
    }
}

enum Read {
    Stores(Stores),
    Damaged(String),
}

fn read<F: FileSystem>(files: &F, path: &Path) -> Result<Read, RecordsError> {
    match files.link_stamp(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Stores(Stores::new())),
        // A link here is not ours: whoever made it could make us read, and later replace, something else.
        Ok(stamp) if stamp.kind != FileKind::File => {
            return Ok(Read::Damaged("it is not a regular file".into()));
        }
        _ => {}
    }
    let (bytes, _) = files.read(path, READ_LIMIT).map_err(|error| io_error("read", path, error))?;
    #[derive(Deserialize)]
    struct Head {
        format_version: u32,
    }
    match serde_json::from_slice::<Head>(&bytes) {
        Ok(Head { format_version }) if format_version > VERSION => {
            return Err(RecordsError::Newer { path: path.to_owned(), found: format_version });
        }
        _ => {}
    }
    Ok(match serde_json::from_slice::<Format<Stores>>(&bytes) {
        Ok(format) => Read::Stores(format.stores),
        Err(error) => Read::Damaged(format!("line {}, column {}", error.line(), error.column())),
    })
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> RecordsError {
    RecordsError::Io { action, path: path.to_owned(), source }
}
