//! The records' file: JSON lines, appended to, and rewritten when most of it is out of date.

use super::error::{RecordsError, io_error};
use super::format::{Content, Stores, head, line, parse, parse_version_one};
use claude_store::{FileKind, FileSystem, Identity};
use compact::Set;
use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const FILE_NAME: &str = "records.jsonl";
/// Version 1's file. Read if there is nothing newer, and removed once a newer one is written.
const VERSION_ONE: &str = "state.json";
const READ_LIMIT: u64 = 64 * 1024 * 1024;
const MODE: u32 = 0o600;
/// The file is rewritten when more than this, and more than its size after the last rewrite, was appended: total writes stay in
/// proportion to what changes.
const APPENDED_AT_LEAST: u64 = 64 * 1024;

/// An entry: its store's location, and its key.
pub(super) type Name = (String, String);

/// The records' file in a state folder.
pub(super) struct RecordsFile<F: FileSystem> {
    files: F,
    folder: PathBuf,
    path: PathBuf,
    /// `None` if it must be rewritten before anything can be appended.
    open: RefCell<Option<Open<F::File>>>,
}

struct Open<H> {
    file: Rc<H>,
    /// Detects that the file was removed or replaced.
    identity: Identity,
    size: u64,
    /// Its size after the last rewrite.
    anew: u64,
}

/// The records found in a state folder.
pub(super) struct Found {
    pub(super) stores: Stores,
    /// A warning for the user.
    pub(super) trouble: Option<String>,
}

impl<F: FileSystem> RecordsFile<F> {
    /// The file in this folder, not read yet.
    pub(super) fn new(files: F, folder: &Path) -> Self {
        Self { files, folder: folder.to_owned(), path: folder.join(FILE_NAME), open: RefCell::default() }
    }

    /// Reads the file. With `set_aside`, a file that cannot be understood is kept under another name.
    pub(super) fn load(&self, set_aside: bool) -> Result<Found, RecordsError> {
        let nothing = Found { stores: Stores::new(), trouble: None };
        let (path, content) = match self.read(&self.path, parse)? {
            Some(content) => (self.path.clone(), content),
            None => {
                let old = self.folder.join(VERSION_ONE);
                let Some(content) = self.read(&old, parse_version_one)? else { return Ok(nothing) };
                (old, content)
            }
        };
        match content {
            Content::Records { stores, damaged: 0, whole } => {
                if set_aside && whole && path == self.path {
                    self.take_up();
                }
                Ok(Found { stores, trouble: None })
            }
            Content::Records { stores, damaged, .. } => {
                let trouble = format!(
                    "{} holds lines that could not be understood ({damaged}); they were skipped, the other records were kept",
                    path.display()
                );
                Ok(Found { stores, trouble: Some(trouble) })
            }
            Content::Newer(found) => Err(RecordsError::Newer { path, found }),
            Content::Damaged(_) if !set_aside => Ok(nothing),
            Content::Damaged(why) => {
                let aside = beside(&path, "damaged");
                self.files.rename(&path, &aside).map_err(|error| io_error("set aside", &path, error))?;
                let trouble = format!(
                    "{} could not be understood ({why}); it was kept as {}, and the records start empty",
                    path.display(),
                    aside.display()
                );
                Ok(Found { trouble: Some(trouble), ..nothing })
            }
        }
    }

    fn read(&self, path: &Path, parse: fn(&[u8]) -> Content) -> Result<Option<Content>, RecordsError> {
        match self.files.link_stamp(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A link here is not ours: it could make us read, and later replace, something else.
            Ok(stamp) if stamp.kind != FileKind::File => {
                return Ok(Some(Content::Damaged("it is not a regular file".into())));
            }
            _ => {}
        }
        let (bytes, _) = self.files.read(path, READ_LIMIT).map_err(|error| io_error("read", path, error))?;
        Ok(Some(parse(&bytes)))
    }

    /// Opens the file that was just read for appending. If that fails, it is rewritten.
    fn take_up(&self) {
        let Ok(file) = self.files.open_to_append(&self.path) else { return };
        let Ok(stamp) = self.files.file_stamp(&file) else { return };
        let open =
            Open { file: Rc::new(file), identity: stamp.identity(), size: stamp.size, anew: stamp.size };
        *self.open.borrow_mut() = Some(open);
    }

    /// Saves these entries' records durably; true if it has saved all. After an error the file's content is unknown; the next call
    /// rewrites it.
    pub(super) async fn save(
        &self,
        stores: &RefCell<Stores>,
        changed: &Set<Name>,
    ) -> Result<bool, RecordsError> {
        let lines = {
            let stores = stores.borrow();
            let mut bytes = Vec::new();
            for (store, key) in changed {
                let record = stores.get(store).and_then(|entries| entries.get(key)).map(Box::as_ref);
                line(&mut bytes, store, key, record).map_err(|error| self.not_written(error.into()))?;
            }
            bytes
        };
        match self.open.take().filter(|open| self.takes(open, lines.len() as u64)) {
            Some(open) => {
                let file = Rc::clone(&open.file);
                self.files.append(&file, &lines).map_err(|error| self.not_written(error))?;
                self.files.sync(&file).await.map_err(|error| io_error("save", &self.path, error))?;
                *self.open.borrow_mut() = Some(Open { size: open.size + lines.len() as u64, ..open });
                Ok(false)
            }
            None => {
                let open = self.write_anew(stores).await?;
                *self.open.borrow_mut() = Some(open);
                Ok(true)
            }
        }
    }

    fn not_written(&self, error: io::Error) -> RecordsError {
        io_error("write to", &self.path, error)
    }

    /// Whether this much may be appended: the file is still the one in the folder, and not mostly out of date.
    fn takes(&self, open: &Open<F::File>, more: u64) -> bool {
        let appended = open.size + more - open.anew.min(open.size);
        let in_place = self.files.link_stamp(&self.path);
        appended <= open.anew.max(APPENDED_AT_LEAST)
            && in_place.is_ok_and(|stamp| stamp.identity() == open.identity && stamp.size == open.size)
    }

    async fn write_anew(&self, stores: &RefCell<Stores>) -> Result<Open<F::File>, RecordsError> {
        let Self { files, folder, path, .. } = self;
        let beside = beside(path, "new");
        let bytes = whole(&stores.borrow()).map_err(|error| io_error("write", path, error.into()))?;
        match files.remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("replace", &beside, error));
            }
            _ => {}
        }
        let file = files.create_file(&beside, MODE).map_err(|error| io_error("create", &beside, error))?;
        files.append(&file, &bytes).map_err(|error| io_error("write", &beside, error))?;
        files.sync(&file).await.map_err(|error| io_error("save", &beside, error))?;
        let stamp = files.file_stamp(&file).map_err(|error| io_error("look at", &beside, error))?;
        files.rename(&beside, path).map_err(|error| io_error("replace", path, error))?;
        files.sync_folder(folder).await.map_err(|error| io_error("save", path, error))?;
        // After a downgrade the old version's file would be long out of date.
        match files.remove_file(&folder.join(VERSION_ONE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &folder.join(VERSION_ONE), error));
            }
            _ => {}
        }
        let size = bytes.len() as u64;
        Ok(Open { file: Rc::new(file), identity: stamp.identity(), size, anew: size })
    }
}

/// The path with a second extension appended.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn whole(stores: &Stores) -> serde_json::Result<Vec<u8>> {
    let mut bytes = head()?;
    for (store, entries) in stores {
        for (key, record) in entries {
            line(&mut bytes, store, key, Some(record))?;
        }
    }
    Ok(bytes)
}
