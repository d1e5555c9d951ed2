use super::Locks;
use super::sighting::{LockKind, LockSighting};
use crate::{FileKind, FileSystem};
use std::io;

impl<F: FileSystem> Locks<F> {
    /// Every lock of the two protocols that stands in the folder now, by name; nothing is changed.
    ///
    /// # Errors
    /// The folder cannot be listed. A missing folder holds no locks and is no error.
    pub fn survey(&self) -> io::Result<Vec<LockSighting>> {
        let files = &self.shared.files;
        let mut names = match files.list(&self.shared.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        names.sort();
        let now = files.now();
        let mut sightings = Vec::new();
        for name in names {
            let Some(kind) = name.to_str().and_then(LockKind::of_name) else { continue };
            let path = self.shared.folder.join(&name);
            // One that went away between the two looks is not there.
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

    /// Removes a file that stands in a lock's place; `false` when none stands there any more. For `doctor --fix`: nothing else
    /// ever takes a lock away that this program did not see dead.
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
