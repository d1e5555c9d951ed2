use super::Locks;
use crate::{FileKind, FileSystem};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The storage lock's name.
pub(super) const STORAGE_LOCK: &str = ".storage-write.lock";

/// Which of the client's two protocols a lock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Guards read, refresh and save of one entry.
    Refresh,
    /// Guards one write of the document.
    Storage,
}

impl LockKind {
    /// The age from which the client takes such a lock for dead (measured).
    #[must_use]
    pub fn stale_after(self) -> Duration {
        match self {
            Self::Refresh => Duration::from_secs(60),
            Self::Storage => Duration::from_secs(15),
        }
    }

    /// Which kind of lock a name is.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        if name == STORAGE_LOCK {
            Some(Self::Storage)
        } else if name.starts_with("mcp-refresh-") && name.ends_with(".lock.lock") {
            Some(Self::Refresh)
        } else {
            None
        }
    }
}

/// A lock as it stands in the folder at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSighting {
    /// The lock's path.
    pub path: PathBuf,
    /// Its protocol.
    pub kind: LockKind,
    /// Whether it is no folder, which breaks the client for good.
    pub is_file: bool,
    /// When it was dated last.
    pub modified: SystemTime,
    /// Time since then; zero where it is dated ahead.
    pub age: Duration,
    /// Whether it is dated in the future, which the client never steals.
    pub dated_ahead: bool,
}

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
