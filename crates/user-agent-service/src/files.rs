use crate::stamp::{Authorship, authorship, difference};
use crate::{ServiceError, Step};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How a new file is called before it is complete.
const BESIDE: &str = ".mcp-refreshd-";

/// Changes to files that are made together or not at all: dropped without [`keep`](Self::keep), it takes everything back.
#[derive(Debug, Default)]
#[must_use = "dropped at once, it takes back what it did"]
pub struct Changes {
    undo: Vec<Undo>,
    /// Nothing is changed; the steps say what would be.
    dry: bool,
}

#[derive(Debug)]
enum Undo {
    /// A file that was not there.
    Remove(PathBuf),
    /// A file with its former content and mode.
    Restore(PathBuf, Vec<u8>, u32),
    /// A folder that was not there.
    RemoveFolder(PathBuf),
}

impl Changes {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes nothing; the steps say what would be done.
    pub fn dry_run() -> Self {
        Self { undo: Vec::new(), dry: true }
    }

    /// Whether nothing is changed.
    pub(crate) fn is_dry(&self) -> bool {
        self.dry
    }

    /// Makes the file have this content and mode, in one step: nobody ever sees a part of it. Folders that are missing are made.
    ///
    /// # Errors
    /// The file or a folder above it cannot be written.
    pub fn write(&mut self, path: &Path, content: &str, mode: u32) -> Result<Step, ServiceError> {
        let before = read(path)?;
        if let Some(folder) = path.parent().filter(|_| !self.dry) {
            sweep(folder);
        }
        if before.as_deref() == Some(content.as_bytes()) {
            return Ok(Step::Unchanged(path.to_owned()));
        }
        let step = match &before {
            Some(there) => {
                let difference = difference(&String::from_utf8_lossy(there), content);
                Step::Changed(path.to_owned(), difference)
            }
            None => Step::Wrote(path.to_owned()),
        };
        if self.dry {
            return Ok(step);
        }
        let failed = |source| ServiceError::File { path: path.to_owned(), doing: "written", source };
        if let Some(folder) = path.parent() {
            self.folder(folder)?;
        }
        let undo = match before {
            Some(content) => {
                let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
                Undo::Restore(path.to_owned(), content, mode)
            }
            None => Undo::Remove(path.to_owned()),
        };
        replace(path, content.as_bytes(), mode).map_err(failed)?;
        self.undo.push(undo);
        Ok(step)
    }

    /// Removes a file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, so as to be able to bring it back, or not be removed.
    pub fn remove(&mut self, path: &Path) -> Result<Option<Step>, ServiceError> {
        let Some(content) = read(path)? else { return Ok(None) };
        if self.dry {
            return Ok(Some(Step::Removed(path.to_owned())));
        }
        let failed = |source| ServiceError::File { path: path.to_owned(), doing: "removed", source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        fs::remove_file(path).map_err(failed)?;
        make_durable(path);
        self.undo.push(Undo::Restore(path.to_owned(), content, mode));
        Ok(Some(Step::Removed(path.to_owned())))
    }

    /// Takes a file of ours away: removed as [`remove`](Self::remove) does, or moved to `aside` where somebody edited it by hand. `None`
    /// where there is none.
    ///
    /// # Errors
    /// As for [`remove`](Self::remove).
    pub(crate) fn take_away(&mut self, path: &Path, aside: &Path) -> Result<Option<Step>, ServiceError> {
        let Some(there) = read(path)? else { return Ok(None) };
        if authorship(&String::from_utf8_lossy(&there)) == Authorship::Ours {
            return self.remove(path);
        }
        let step = Step::SetAside(path.to_owned(), aside.to_owned());
        if self.dry {
            return Ok(Some(step));
        }
        let failed = |source| ServiceError::File { path: path.to_owned(), doing: "moved", source };
        fs::rename(path, aside).map_err(failed)?;
        make_durable(aside);
        Ok(Some(step))
    }

    /// Everything stays as it is now.
    pub fn keep(mut self) {
        self.undo.clear();
    }

    fn folder(&mut self, folder: &Path) -> Result<(), ServiceError> {
        let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => {
                    make_durable(folder);
                    self.undo.push(Undo::RemoveFolder(folder.to_owned()));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(ServiceError::File { path: folder.to_owned(), doing: "made", source });
                }
            }
        }
        Ok(())
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        for undo in self.undo.drain(..).rev() {
            // What cannot be taken back stays; the error that led here is the one to tell.
            let _ = match undo {
                Undo::Remove(path) => fs::remove_file(path),
                Undo::Restore(path, content, mode) => replace(&path, &content, mode),
                Undo::RemoveFolder(path) => fs::remove_dir(path),
            };
        }
    }
}

/// The content of a file; `None` where there is none.
///
/// # Errors
/// Something is there and cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, ServiceError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ServiceError::File { path: path.to_owned(), doing: "read", source }),
    }
}

/// Removes new files that whoever wrote them was killed over; one that is still being written is locked, and stays.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_left = || File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if entry.file_name().as_encoded_bytes().starts_with(BESIDE.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && is_left()
        {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Written beside, made durable, and moved into place.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut beside = tempfile::Builder::new().prefix(BESIDE).tempfile_in(folder)?;
    // Where the file system has no locks, a file that somebody writes in this very moment may be swept away, and writing fails.
    let _ = beside.as_file().try_lock();
    beside.write_all(content)?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|error| error.error)?;
    make_durable(path);
    Ok(())
}

/// That something is there now, or no longer, and what it is called. Not every file system can promise it; what a power cut takes then is
/// written again by the next installation.
fn make_durable(path: &Path) {
    let _ = path.parent().map(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_taken_back() {
        let place = tempfile::tempdir().unwrap();
        let (old, new) = (place.path().join("old"), place.path().join("a/b/new"));
        fs::write(&old, "before").unwrap();
        let mut changes = Changes::new();
        let changed = Step::Changed(old.clone(), difference("before", "after"));
        assert_eq!(changes.write(&old, "after", 0o644).unwrap(), changed);
        assert_eq!(changes.write(&new, "new", 0o600).unwrap(), Step::Wrote(new.clone()));
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
        drop(changes);
        assert_eq!(fs::read_to_string(&old).unwrap(), "before");
        assert!(!place.path().join("a").exists());
    }

    #[test]
    fn a_dry_run_says_what_it_would_do_and_does_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (old, new) = (place.path().join("old"), place.path().join("a/new"));
        fs::write(&old, "a\nb\n").unwrap();
        let mut changes = Changes::dry_run();
        let changed = changes.write(&old, "a\nc\n", 0o644).unwrap();
        assert!(changed.planned().starts_with("would change ") && changed.planned().ends_with("-b\n+c\n"));
        assert_eq!(changes.write(&new, "x", 0o644).unwrap(), Step::Wrote(new));
        assert_eq!(changes.remove(&old).unwrap(), Some(Step::Removed(old.clone())));
        let aside = changes.take_away(&old, &place.path().join("aside")).unwrap().unwrap();
        assert!(aside.planned().starts_with("would move "), "{aside}");
        assert_eq!(fs::read_to_string(&old).unwrap(), "a\nb\n");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_kept_stays() {
        let place = tempfile::tempdir().unwrap();
        let (file, gone) = (place.path().join("file"), place.path().join("gone"));
        fs::write(&gone, "x").unwrap();
        let mut changes = Changes::new();
        let _ = changes.write(&file, "text", 0o644).unwrap();
        assert_eq!(changes.remove(&gone).unwrap(), Some(Step::Removed(gone.clone())));
        assert_eq!(changes.remove(&gone).unwrap(), None);
        changes.keep();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        assert!(!gone.exists());
    }

    #[test]
    fn a_file_that_is_right_already_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "text").unwrap();
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        let mut changes = Changes::new();
        assert_eq!(changes.write(&file, "text", 0o644).unwrap(), Step::Unchanged(file.clone()));
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
        changes.keep();
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_away_and_what_is_being_written_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in [".mcp-refreshd-left", ".mcp-refreshd-live", ".somebody-else"] {
            fs::write(at(name), "half").unwrap();
        }
        let live = File::open(at(".mcp-refreshd-live")).unwrap();
        live.lock().unwrap();
        let mut changes = Changes::new();
        let _ = changes.write(&at("file"), "text", 0o644).unwrap();
        assert!(!at(".mcp-refreshd-left").exists());
        assert!(at(".mcp-refreshd-live").exists() && at(".somebody-else").exists());
        drop(live);
        // Also where the file is right already.
        let _ = changes.write(&at("file"), "text", 0o644).unwrap();
        assert!(!at(".mcp-refreshd-live").exists());
        changes.keep();
    }

    #[test]
    fn an_obstacle_in_the_middle_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("obstacle"), "").unwrap();
        let mut changes = Changes::new();
        let _ = changes.write(&place.path().join("first"), "1", 0o644).unwrap();
        let error = changes.write(&place.path().join("obstacle/second"), "2", 0o644).unwrap_err();
        assert!(error.to_string().contains("obstacle"), "{error}");
        drop(changes);
        assert!(!place.path().join("first").exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
