use super::temporary::{folder_of, temporary_name};
use crate::file_system::twice::twice;
use crate::{FileSystem, WriteError};
use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many names to try; one in four billion is taken by chance.
const TRIES: usize = 8;

/// Room for the next document, reserved before a request and shared by all transactions of a store.
///
/// It is a file of the right type in the right folder, with blocks for the largest document that any transaction may write: whatever
/// would fail after the request fails before it. Staging consumes the file; the next one is created from the room freed by the
/// replaced document.
pub(super) struct Reservation<F: FileSystem> {
    files: F,
    state: RefCell<State<F>>,
}

struct State<F: FileSystem> {
    /// Bytes that running transactions may need; 0 if there are none.
    wanted: u64,
    /// Where they need them.
    folder: PathBuf,
    file: Option<Temporary<F>>,
    /// The paths of all temporary files in use, including staged ones.
    in_use: Vec<PathBuf>,
}

/// A new document that is durable but not visible yet. Dropping it returns its room.
#[must_use = "a staged document is not visible until it is published"]
pub struct StagedFile<F: FileSystem> {
    reservation: Rc<Reservation<F>>,
    file: Option<Temporary<F>>,
    target: PathBuf,
}

/// A temporary file, removed when dropped.
struct Temporary<F: FileSystem> {
    files: F,
    file: F::File,
    path: PathBuf,
    /// Bytes allocated.
    room: u64,
    /// Whether it has become the document.
    renamed: bool,
}

impl<F: FileSystem> Reservation<F> {
    pub(super) fn new(files: F) -> Self {
        let state = State { wanted: 0, folder: PathBuf::new(), file: None, in_use: Vec::new() };
        Self { files, state: RefCell::new(state) }
    }

    /// Reserves `size` bytes in this folder, and checks that a file there can be renamed.
    pub(super) fn grow(&self, folder: &Path, size: u64) -> Result<(), WriteError> {
        let mut state = self.state.borrow_mut();
        let wanted = state.wanted.max(size).max(1);
        let file = state.file.take().filter(|file| folder_of(&file.path) == folder);
        let file = match file {
            Some(mut file) => match file.move_within() {
                Ok(()) => {
                    if let Err(error) = file.make_room(wanted) {
                        // Keep the existing room: running transactions rely on it.
                        state.file = Some(file);
                        return Err(error);
                    }
                    file
                }
                // Another process removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Temporary::create(&self.files, folder, wanted)?
                }
                Err(error) => return Err(WriteError::at("renaming a temporary file", folder)(error)),
            },
            None => Temporary::create(&self.files, folder, wanted)?,
        };
        state.wanted = wanted;
        state.folder = folder.to_owned();
        state.file = Some(file);
        Ok(())
    }

    /// Creates the next reserved file, if transactions are running, there is none, and there is room.
    pub(super) fn refill(&self) {
        let mut state = self.state.borrow_mut();
        if state.wanted > 0 && state.file.is_none() {
            state.file = Temporary::create(&self.files, &state.folder, state.wanted).ok();
        }
    }

    pub(super) fn release(&self) {
        let mut state = self.state.borrow_mut();
        state.wanted = 0;
        state.file = None;
    }

    /// Whether a temporary file with this name is in use.
    pub(super) fn uses(&self, name: &str) -> bool {
        let state = self.state.borrow();
        let reserved = state.file.as_ref().map(|file| &file.path);
        reserved
            .into_iter()
            .chain(&state.in_use)
            .any(|path| path.file_name().is_some_and(|used| used == name))
    }

    fn take(&self, folder: &Path) -> Option<Temporary<F>> {
        let mut state = self.state.borrow_mut();
        let file = state.file.take()?;
        (folder_of(&file.path) == folder).then_some(file)
    }
}

impl<F: FileSystem> StagedFile<F> {
    pub(super) async fn write(
        reservation: &Rc<Reservation<F>>,
        target: PathBuf,
        document: &[u8],
    ) -> Result<Self, WriteError> {
        let folder = folder_of(&target);
        let size = document.len() as u64;
        let file = match reservation.take(folder) {
            Some(file) if file.exists() => file,
            _ => Temporary::create(&reservation.files, folder, size)?,
        };
        let path = file.path.clone();
        reservation.state.borrow_mut().in_use.push(path.clone());
        // From here on, dropping it returns the room.
        let staged = Self { reservation: Rc::clone(reservation), file: Some(file), target };
        let files = &reservation.files;
        if let Some(temporary) = &staged.file {
            files
                .append(&temporary.file, document)
                .map_err(WriteError::at("writing a temporary file", &path))?;
            // Frees the blocks past the end.
            files
                .truncate(&temporary.file, size)
                .map_err(WriteError::at("truncating a temporary file", &path))?;
            let sync = files.sync(&temporary.file);
            sync.await.map_err(WriteError::at("syncing a temporary file", &path))?;
        }
        Ok(staged)
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Renames the new document over the old one.
    pub(super) fn swap_in(mut self) -> Result<(), WriteError> {
        let files = self.reservation.files.clone();
        if let Some(file) = &mut self.file {
            files.rename(&file.path, &self.target).map_err(WriteError::at("renaming", &self.target))?;
            file.renamed = true;
        }
        Ok(())
    }
}

impl<F: FileSystem> Drop for StagedFile<F> {
    fn drop(&mut self) {
        let Some(mut file) = self.file.take() else { return };
        let mut state = self.reservation.state.borrow_mut();
        state.in_use.retain(|path| *path != file.path);
        // Not published: the next attempt needs the room again.
        let reusable = !file.renamed && state.wanted > 0 && state.file.is_none();
        if reusable && file.empty(state.wanted).is_ok() {
            state.file = Some(file);
        }
    }
}

impl<F: FileSystem> Temporary<F> {
    fn create(files: &F, folder: &Path, room: u64) -> Result<Self, WriteError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let path = folder.join(temporary_name());
            match files.create_file(&path, 0o600) {
                Ok(file) => {
                    let mut temporary = Self { files: files.clone(), file, path, room: 0, renamed: false };
                    temporary.make_room(room)?;
                    return Ok(temporary);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {}
                Err(error) => return Err(WriteError::at("creating a temporary file", folder)(error)),
            }
        }
    }

    fn make_room(&mut self, room: u64) -> Result<(), WriteError> {
        if self.room >= room {
            return Ok(());
        }
        let reserved = match self.files.reserve(&self.file, room) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.try_room(room),
            result => result,
        };
        reserved.map_err(WriteError::at("reserving room", &self.path))?;
        self.room = room;
        Ok(())
    }

    /// Where blocks cannot be reserved: writes that much once, which at least proves that there is room now.
    fn try_room(&self, room: u64) -> io::Result<()> {
        let zeros = [0; 8192];
        let mut left = room;
        let mut written = Ok(());
        while left > 0 && written.is_ok() {
            let part = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
            written = self.files.append(&self.file, zeros.get(..part).unwrap_or_default());
            left -= part as u64;
        }
        self.files.truncate(&self.file, 0)?;
        written
    }

    /// Turns the file back into a reservation.
    fn empty(&mut self, room: u64) -> Result<(), WriteError> {
        self.files
            .truncate(&self.file, 0)
            .map_err(WriteError::at("truncating a temporary file", &self.path))?;
        self.room = 0;
        self.make_room(room)
    }

    /// Renames the file within its folder, which proves that it still exists and that the folder is writable.
    fn move_within(&mut self) -> io::Result<()> {
        let path = folder_of(&self.path).join(temporary_name());
        self.files.rename_exclusive(&self.path, &path)?;
        self.path = path;
        Ok(())
    }

    fn exists(&self) -> bool {
        let ours = self.files.file_stamp(&self.file).map(|stamp| stamp.identity());
        let there = self.files.link_stamp(&self.path).map(|stamp| stamp.identity());
        matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
    }
}

impl<F: FileSystem> Drop for Temporary<F> {
    fn drop(&mut self) {
        if !self.renamed {
            // Leftovers are removed at the next start.
            let _ = twice(|| self.files.remove_file(&self.path));
        }
    }
}
