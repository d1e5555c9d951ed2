use super::Locks;
use super::sighting::{LockKind, LockSighting};
use crate::{FileKind, FileSystem};
use compact::Arrange as _;
use std::io;

impl<F: FileSystem> Locks<F> {
    /// All locks of both protocols in the folder, sorted by name. Changes nothing.
    ///
    /// # Errors
    /// The folder cannot be listed. A missing folder has no locks and is not an error.
    pub fn survey(&self) -> io::Result<Vec<LockSighting>> {
        let files = &self.shared.files;
        let mut names = match files.list(&self.shared.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        names.arrange();
        let now = files.now();
        let mut sightings = Vec::new();
        for name in names {
            let Some(kind) = name.to_str().and_then(LockKind::of_name) else { continue };
            let path = self.shared.folder.join(&name);
            // It disappeared after it was listed.
            let Ok(stamp) = files.link_stamp(&path) else { continue };
            let age = now.duration_since(stamp.modified);
            sightings.push(LockSighting {
                path,
                kind,
                is_file: stamp.kind != FileKind::Folder,
                modified: stamp.modified,
                dated_ahead: age.is_err(),
                age: age.unwrap_or_default(),
            });
        }
        Ok(sightings)
    }

    /// Removes a file at a lock's path; `false` if there is none any more. For `doctor --fix` only: this program otherwise removes
    /// only locks whose holder it has seen to be dead.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove_file_in_place_of(&self, sighting: &LockSighting) -> io::Result<bool> {
        let files = &self.shared.files;
        match files.link_stamp(&sighting.path) {
            Ok(stamp) if stamp.kind != FileKind::Folder => files.remove_file(&sighting.path).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
