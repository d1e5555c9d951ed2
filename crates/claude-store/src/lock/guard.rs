use super::LeftLock;
use super::error::LockError;
use crate::file_system::twice::twice;
use crate::{EntryKey, FileSystem, Identity};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::task::AbortHandle;

/// The heartbeat interval of a held lock (measured: the client's own; well within every limit below).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

/// Proof that the caller holds an entry's refresh lock, unless another process took it: see [`still_ours`](Self::still_ours).
#[must_use = "the lock is released when the guard is dropped"]
pub struct RefreshLock<F: FileSystem> {
    key: EntryKey,
    held: Held<F>,
}

/// Proof that the caller holds the storage lock, unless another process took it: see [`still_ours`](Self::still_ours).
#[must_use = "the lock is released when the guard is dropped"]
pub struct StorageLock<F: FileSystem> {
    held: Held<F>,
}

/// Proof that the caller holds the lock of a configuration. Dropping it releases the lock, unless it is no longer ours.
#[must_use = "the lock is released when the guard is dropped"]
pub struct ConfigLock<F: FileSystem> {
    held: Held<F>,
}

/// The lock is no longer ours, or its state is unknown. The guarded operation must not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockLost {
    /// Another process removed it.
    #[error("lock {} was removed by another process while we held it", path.display())]
    Gone {
        /// The lock's path.
        path: PathBuf,
    },
    /// Another process took it over.
    #[error("lock {} was taken over by another process while we held it", path.display())]
    TakenOver {
        /// The lock's path.
        path: PathBuf,
    },
    /// It could not be inspected or removed.
    #[error("cannot inspect or release lock {}: {source}", path.display())]
    Io {
        /// The lock's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl<F: FileSystem> RefreshLock<F> {
    pub(super) fn new(key: EntryKey, held: Held<F>) -> Self {
        Self { key, held }
    }

    /// The entry guarded by the lock.
    #[must_use]
    pub fn key(&self) -> &EntryKey {
        &self.key
    }

    /// The lock's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.held.path
    }

    /// Distinguishes this lock from any later one at the same path. Record it, so that a lock left behind by a crash can be removed
    /// early; see [`Locks::remove_left_over`](crate::Locks::remove_left_over).
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.held.identity
    }

    /// Checks that the lock is still the one we created (by its [`Identity`]).
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn still_ours(&self) -> Result<(), LockLost> {
        self.held.still_ours()
    }

    /// Releases the lock; one that is no longer ours is left alone.
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn release(self) -> Result<(), LockLost> {
        self.held.release()
    }
}

impl<F: FileSystem> StorageLock<F> {
    pub(super) fn new(held: Held<F>) -> Self {
        Self { held }
    }

    /// The lock's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.held.path
    }

    /// Checks that the lock is still the one we created (by its [`Identity`]).
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn still_ours(&self) -> Result<(), LockLost> {
        self.held.still_ours()
    }

    /// What this lock would look like if this process died now. Record it, so that the next one can remove it at once; see
    /// [`Locks::remove_left_over_storage_lock`](crate::Locks::remove_left_over_storage_lock).
    #[must_use]
    pub fn if_left(&self) -> LeftLock {
        LeftLock { identity: self.held.identity, modified: self.held.modified }
    }

    /// Releases the lock; one that is no longer ours is left alone.
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn release(self) -> Result<(), LockLost> {
        self.held.release()
    }
}

impl<F: FileSystem> ConfigLock<F> {
    pub(super) fn new(held: Held<F>) -> Self {
        Self { held }
    }

    /// Checks that the lock is still the one we created (by its [`Identity`]).
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn still_ours(&self) -> Result<(), LockLost> {
        self.held.still_ours()
    }
}

/// A lock we created, kept alive by a heartbeat until it is dropped.
pub(super) struct Held<F: FileSystem> {
    files: F,
    path: PathBuf,
    identity: Identity,
    /// When it was created.
    modified: SystemTime,
    heartbeat: Option<AbortHandle>,
    released: bool,
}

impl<F: FileSystem> Held<F> {
    /// Takes ownership of a folder that was just created.
    pub(super) fn new(files: F, path: PathBuf) -> Result<Self, LockError> {
        let stamp = match twice(|| files.link_stamp(&path)) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LockError::Lost { path }),
            Err(source) => {
                // Created a moment ago, so not yet stale to anyone: it is still ours.
                let _ = files.remove_folder(&path);
                return Err(LockError::Io { path, source });
            }
        };
        let identity = stamp.identity();
        let beat = heartbeat(files.clone(), path.clone(), identity);
        let mut held =
            Self { files, path, identity, modified: stamp.modified, heartbeat: None, released: false };
        held.heartbeat = Some(tokio::task::spawn_local(beat).abort_handle());
        Ok(held)
    }

    fn still_ours(&self) -> Result<(), LockLost> {
        match twice(|| self.files.link_stamp(&self.path)) {
            Ok(stamp) if stamp.identity() == self.identity => Ok(()),
            Ok(_) => Err(LockLost::TakenOver { path: self.path.clone() }),
            Err(error) => Err(self.lost(error)),
        }
    }

    fn release(mut self) -> Result<(), LockLost> {
        self.let_go()
    }

    /// A lock left behind blocks the client's writes until it is stale, so a failed removal is retried.
    fn let_go(&mut self) -> Result<(), LockLost> {
        self.released = true;
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
        }
        self.still_ours()?;
        twice(|| self.files.remove_folder(&self.path)).map_err(|error| self.lost(error))
    }

    fn lost(&self, source: io::Error) -> LockLost {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::NotFound => LockLost::Gone { path },
            _ => LockLost::Io { path, source },
        }
    }
}

impl<F: FileSystem> Drop for Held<F> {
    fn drop(&mut self) {
        if !self.released {
            // The error has no receiver here; a lock left behind is stale after a minute at most.
            let _ = self.let_go();
        }
    }
}

/// Updates a lock's date until it is no longer ours. Errors may be transient; the next beat tries again.
async fn heartbeat<F: FileSystem>(files: F, path: PathBuf, ours: Identity) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match files.link_stamp(&path) {
            Ok(stamp) if stamp.identity() == ours => {
                let _ = files.touch(&path);
            }
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
    }
}
