use crate::platform::{mode_of, set_mode};
use crate::stamp::{Authorship, authorship, difference};
use crate::{ServiceError, Step};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The suffix of an incomplete file.
const BESIDE: &str = ".mcp-refreshd-";

/// File changes that are made together or not at all: rolled back when dropped without [`keep`](Self::keep).
#[derive(Debug, Default)]
#[must_use = "dropping it rolls back its changes"]
pub struct Changes {
    undo: Vec<Undo>,
    /// Nothing is changed; the steps say what would be.
    dry: bool,
}

#[derive(Debug)]
enum Undo {
    /// A file that did not exist.
    Remove(PathBuf),
    /// A file with its previous content and mode.
    Restore(PathBuf, Vec<u8>, u32),
    /// A folder that did not exist.
    RemoveFolder(PathBuf),
}

impl Changes {
    /// No changes yet.
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

    /// Writes a file with this content and mode, atomically. Creates missing folders.
    ///
    /// # Errors
    /// The file or a parent folder cannot be written.
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
                let mode = mode_of(&fs::metadata(path).map_err(failed)?);
                Undo::Restore(path.to_owned(), content, mode)
            }
            None => Undo::Remove(path.to_owned()),
        };
        replace(path, content.as_bytes(), mode).map_err(failed)?;
        self.undo.push(undo);
        Ok(step)
    }

    /// Removes a file; `None` if it does not exist.
    ///
    /// # Errors
    /// It cannot be read (for the rollback) or removed.
    pub fn remove(&mut self, path: &Path) -> Result<Option<Step>, ServiceError> {
        let Some(content) = read(path)? else { return Ok(None) };
        if self.dry {
            return Ok(Some(Step::Removed(path.to_owned())));
        }
        let failed = |source| ServiceError::File { path: path.to_owned(), doing: "removed", source };
        let mode = mode_of(&fs::metadata(path).map_err(failed)?);
        fs::remove_file(path).map_err(failed)?;
        make_durable(path);
        self.undo.push(Undo::Restore(path.to_owned(), content, mode));
        Ok(Some(Step::Removed(path.to_owned())))
    }

    /// Removes a file of ours like [`remove`](Self::remove), or moves it to `aside` if it was edited by hand. `None` if it does not
    /// exist.
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

    /// Makes the changes permanent.
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
            // Ignore what cannot be rolled back; the original error is the one to report.
            let _ = match undo {
                Undo::Remove(path) => fs::remove_file(path),
                Undo::Restore(path, content, mode) => replace(&path, &content, mode),
                Undo::RemoveFolder(path) => fs::remove_dir(path),
            };
        }
    }
}

/// The content of a file; `None` if it does not exist.
///
/// # Errors
/// It exists but cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, ServiceError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ServiceError::File { path: path.to_owned(), doing: "read", source }),
    }
}

/// Removes temporary files of killed writers. A file that is still being written is locked and stays.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_left = || File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if entry.file_name().as_encoded_bytes().starts_with(BESIDE.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && is_left()
        {
            // Leftovers are harmless.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a temporary file, makes it durable, and renames it.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut beside = tempfile::Builder::new().prefix(BESIDE).tempfile_in(folder)?;
    // Without file locks, a concurrent cleanup may remove this file, and then writing fails.
    let _ = beside.as_file().try_lock();
    beside.write_all(content)?;
    set_mode(beside.as_file(), mode & 0o7777)?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|error| error.error)?;
    make_durable(path);
    Ok(())
}

/// Makes a creation, removal or rename durable. Not every file system supports that; what a power cut takes is written again by the
/// next installation.
fn make_durable(path: &Path) {
    let _ = path.parent().map(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_rolled_back_unless_kept() {
        let place = tempfile::tempdir().unwrap();
        let (old, new) = (place.path().join("old"), place.path().join("a/b/new"));
        fs::write(&old, "before").unwrap();
        let mut changes = Changes::new();
        let changed = Step::Changed(old.clone(), difference("before", "after"));
        assert_eq!(changes.write(&old, "after", 0o644).unwrap(), changed);
        assert_eq!(changes.write(&new, "new", 0o600).unwrap(), Step::Wrote(new.clone()));
        #[cfg(unix)] // Elsewhere there are no modes.
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&new).unwrap().permissions()) & 0o777,
            0o600
        );
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
    fn an_up_to_date_file_is_not_touched() {
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
    fn temporary_files_of_killed_writers_are_removed_but_not_those_in_use() {
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
    fn a_failure_halfway_leaves_nothing() {
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
