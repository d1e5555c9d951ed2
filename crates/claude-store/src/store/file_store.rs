mod reservation;
mod temporary;

pub use reservation::StagedFile;

use crate::{
    FileKind, FileSystem, Locks, Obstacle, OsFileSystem, Ownership, Published, ReadError, Snapshot,
    StorageFolder, StorageLock, Store, Version, WriteError,
};
use reservation::Reservation;
use std::borrow::Borrow;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use temporary::{folder_of, is_temporary, is_temporary_cache};

/// Larger than any document; such a file is something else.
const LIMIT: u64 = 32 << 20;

/// A document without entries.
const EMPTY: &[u8] = br#"{"mcpOAuth":{}}"#;

/// The document in a file, as the client keeps it on Linux, WSL and Windows, and as the fallback on macOS.
///
/// Links are resolved at every step and written through, so they survive. Files are written with mode 0600. The document is never
/// created: that is up to the client, or, for a store of our own, to [`create`](Self::create).
pub struct FileStore<F: FileSystem = OsFileSystem> {
    files: F,
    path: PathBuf,
    /// The needs-auth cache; not always next to the document.
    needs_auth: PathBuf,
    location: String,
    locks: Locks<F>,
    reservation: Rc<Reservation<F>>,
    ownership: Ownership,
}

impl<F: FileSystem> FileStore<F> {
    /// The store in this folder. Does no I/O.
    #[must_use]
    pub fn new(files: F, folder: impl Borrow<StorageFolder>) -> Self {
        let folder = folder.borrow();
        let path = folder.credentials_path();
        Self {
            location: path.display().to_string(),
            locks: Locks::new(files.clone(), folder.path()),
            reservation: Rc::new(Reservation::new(files.clone())),
            needs_auth: folder.needs_auth_path(),
            ownership: Ownership::Shared,
            path,
            files,
        }
    }

    /// The same for a document that only this program writes.
    #[must_use]
    pub fn own(files: F, folder: impl Borrow<StorageFolder>) -> Self {
        Self { ownership: Ownership::Own, ..Self::new(files, folder) }
    }

    /// Creates an empty document, durably, unless there is one. Its folder must exist.
    ///
    /// # Errors
    /// The file system refuses.
    pub async fn create(&self) -> Result<(), WriteError> {
        let failed = |error| WriteError::at("creating", &self.path)(error);
        let folder = folder_of(&self.path);
        // Complete from the first moment on: written under another name, then renamed.
        let beside = folder.join(temporary::temporary_name());
        match self.files.link_stamp(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(_) => return Ok(()),
        }
        let file = self.files.create_file(&beside, 0o600).map_err(failed)?;
        let mut made = self.files.append(&file, EMPTY);
        if made.is_ok() {
            made = self.files.sync(&file).await;
        }
        match made.and_then(|()| self.files.rename_exclusive(&beside, &self.path)) {
            Ok(()) => {}
            Err(error) => {
                // A leftover is removed at the next start.
                let _ = self.files.remove_file(&beside);
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(failed(error));
                }
            }
        }
        self.files.sync_folder(folder).await.map_err(WriteError::at("syncing the folder", folder))
    }

    /// The document's path, links not resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes files left next to the document and the needs-auth cache by an earlier run: those with exactly this program's temporary
    /// names that this store is not using. Returns their number.
    ///
    /// # Errors
    /// A folder cannot be listed, or a file cannot be removed. A missing folder is not an error.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut folders: Vec<PathBuf> = self.path.parent().map(Path::to_owned).into_iter().collect();
        if let Ok(target) = self.files.resolve(&self.path)
            && let Some(folder) = target.parent()
            && !folders.iter().any(|known| known == folder)
        {
            folders.push(folder.to_owned());
        }
        // If the cache is not next to the document, its folder may belong to another store, whose files are in use.
        let beside = self.needs_auth.parent().filter(|folder| !folders.iter().any(|known| known == folder));
        let places = folders.iter().map(|folder| (folder.as_path(), is_temporary as fn(&str) -> bool));
        let places: Vec<_> =
            places.chain(beside.map(|folder| (folder, is_temporary_cache as fn(&str) -> bool))).collect();
        let mut removed = 0;
        for (folder, is_temporary) in places {
            let names = match self.files.list(folder) {
                Ok(names) => names,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for name in names.iter().filter_map(|name| name.to_str()) {
                if !is_temporary(name) || self.reservation.uses(name) {
                    continue;
                }
                match self.files.remove_file(&folder.join(name)) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }

    /// The file behind all links, if it may be replaced.
    fn target(&self) -> Result<PathBuf, WriteError> {
        let failed = |error| WriteError::Read(self.read_error(error));
        let target = self.files.resolve(&self.path).map_err(failed)?;
        let stamp = self.files.stamp(&target).map_err(failed)?;
        if stamp.kind != FileKind::File {
            return Err(ReadError::NotAFile { path: self.path.clone() }.into());
        }
        if stamp.size > LIMIT {
            return Err(ReadError::TooLarge { path: self.path.clone(), limit: LIMIT }.into());
        }
        let (owner, user) = (stamp.owner, self.files.user());
        if owner != user {
            return Err(WriteError::ForeignOwner { path: target, owner, user });
        }
        // An obstacle that cannot be detected here makes the rename fail.
        match self.files.obstacle(&target).unwrap_or_default() {
            Some(Obstacle::MountPoint) => return Err(WriteError::MountPoint { path: target }),
            Some(Obstacle::Immutable) => return Err(WriteError::Immutable { path: target }),
            None => {}
        }
        let folder = folder_of(&target);
        if let Some(Obstacle::Immutable) = self.files.obstacle(folder).unwrap_or_default() {
            return Err(WriteError::Immutable { path: folder.to_owned() });
        }
        Ok(target)
    }

    fn read_error(&self, source: io::Error) -> ReadError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::NotFound => match self.files.link_stamp(&path) {
                Ok(stamp) if stamp.kind == FileKind::Link => ReadError::DanglingLink { path },
                _ => ReadError::Absent { path },
            },
            io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => ReadError::NotAFile { path },
            io::ErrorKind::FileTooLarge => ReadError::TooLarge { path, limit: LIMIT },
            io::ErrorKind::PermissionDenied => {
                let stamp = self.files.stamp(&path).ok();
                let owner = stamp.map(|stamp| stamp.owner);
                ReadError::Denied { path, owner, mode: stamp.map(|stamp| stamp.mode) }
            }
            io::ErrorKind::NotADirectory => {
                let is_file =
                    |path: &&Path| self.files.stamp(path).is_ok_and(|stamp| stamp.kind != FileKind::Folder);
                match path.ancestors().skip(1).find(is_file) {
                    Some(file) => ReadError::FolderIsFile { path: file.to_owned() },
                    None => ReadError::Io { path, source },
                }
            }
            _ => ReadError::Io { path, source },
        }
    }

    /// Whether the stored document still has these bytes and this path.
    fn is_unchanged(&self, read: &Snapshot, target: &Path) -> Result<bool, WriteError> {
        let unchanged = self.files.resolve(&self.path).and_then(|now| {
            // Always compare bytes: within one tick of the file system's clock, equal times and sizes prove nothing.
            Ok(now == target && self.files.read(target, LIMIT)?.0.as_slice() == read.bytes())
        });
        match unchanged {
            Ok(unchanged) => Ok(unchanged),
            Err(error) => match self.read_error(error) {
                ReadError::Absent { .. } | ReadError::DanglingLink { .. } | ReadError::TooLarge { .. } => {
                    Ok(false)
                }
                error => Err(error.into()),
            },
        }
    }
}

impl<F: FileSystem> Store for FileStore<F> {
    type Files = F;
    type Staged = StagedFile<F>;

    fn location(&self) -> &str {
        &self.location
    }

    fn locks(&self) -> &Locks<F> {
        &self.locks
    }

    fn ownership(&self) -> Ownership {
        self.ownership
    }

    async fn version(&self) -> Result<Version, ReadError> {
        match self.files.stamp(&self.path) {
            Ok(stamp) => Ok(Version::File(stamp)),
            Err(error) => match self.read_error(error) {
                ReadError::Absent { .. } => Ok(Version::Absent),
                error => Err(error),
            },
        }
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        let (bytes, stamp) = self.files.read(&self.path, LIMIT).map_err(|error| self.read_error(error))?;
        Ok(Snapshot::new(bytes, Version::File(stamp)))
    }

    async fn reserve(&self, size: usize) -> Result<(), WriteError> {
        let target = self.target()?;
        self.reservation.grow(folder_of(&target), size as u64)
    }

    fn refill_reservation(&self) {
        self.reservation.refill();
    }

    fn release_reservation(&self) {
        self.reservation.release();
    }

    async fn stage(&self, document: &[u8]) -> Result<StagedFile<F>, WriteError> {
        let target = self.target()?;
        StagedFile::write(&self.reservation, target, document).await
    }

    async fn publish(
        &self,
        guard: &StorageLock<F>,
        read: &Snapshot,
        staged: StagedFile<F>,
    ) -> Result<Published, WriteError> {
        guard.still_ours()?;
        if !self.is_unchanged(read, staged.target())? {
            return Ok(Published::Changed);
        }
        guard.still_ours()?;
        staged.swap_in()?;
        Ok(Published::Swapped)
    }

    async fn settle(&self) -> Result<(), WriteError> {
        let target = match self.files.resolve(&self.path) {
            // Another process removed it; that must be durable, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            resolved => resolved.map_err(|error| self.read_error(error))?,
        };
        let folder = folder_of(&target);
        self.files.sync_folder(folder).await.map_err(WriteError::at("syncing the folder", folder))
    }
}

impl<F: FileSystem> std::fmt::Debug for FileStore<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore").field("path", &self.path).finish_non_exhaustive()
    }
}
