use crate::{ServiceError, Step};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Changes to files that are made together or not at all: dropped without [`keep`](Self::keep), it takes everything back.
#[derive(Debug, Default)]
#[must_use = "dropped at once, it takes back what it did"]
pub struct Changes {
    undo: Vec<Undo>,
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

    /// Makes the file have this content and mode, in one step: nobody ever sees a part of it. Folders that are missing are made.
    ///
    /// # Errors
    /// The file or a folder above it cannot be written.
    pub fn write(&mut self, path: &Path, content: &str, mode: u32) -> Result<Step, ServiceError> {
        let before = read(path)?;
        if before.as_deref() == Some(content.as_bytes()) {
            return Ok(Step::Unchanged(path.to_owned()));
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
        Ok(Step::Wrote(path.to_owned()))
    }

    /// Removes a file; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, so as to be able to bring it back, or not be removed.
    pub fn remove(&mut self, path: &Path) -> Result<Option<Step>, ServiceError> {
        let Some(content) = read(path)? else { return Ok(None) };
        let failed = |source| ServiceError::File { path: path.to_owned(), doing: "removed", source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        fs::remove_file(path).map_err(failed)?;
        self.undo.push(Undo::Restore(path.to_owned(), content, mode));
        Ok(Some(Step::Removed(path.to_owned())))
    }

    /// Everything stays as it is now.
    pub fn keep(mut self) {
        self.undo.clear();
    }

    fn folder(&mut self, folder: &Path) -> Result<(), ServiceError> {
        let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => self.undo.push(Undo::RemoveFolder(folder.to_owned())),
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

/// Written beside, made durable, and moved into place.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut beside = tempfile::Builder::new().prefix(".mcp-refreshd-").tempfile_in(folder)?;
    beside.write_all(content)?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|error| error.error)?;
    Ok(())
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
        assert_eq!(changes.write(&old, "after", 0o644).unwrap(), Step::Wrote(old.clone()));
        assert_eq!(changes.write(&new, "new", 0o600).unwrap(), Step::Wrote(new.clone()));
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
        drop(changes);
        assert_eq!(fs::read_to_string(&old).unwrap(), "before");
        assert!(!place.path().join("a").exists());
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
