use super::error::LockError;
use crate::file_system::twice::twice;
use crate::{EntryKey, FileSystem, Identity};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::AbortHandle;

/// How often a held lock is dated to now (measured: the client's own rhythm; far inside every limit below).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

/// Proof that the caller holds one entry's refresh lock, unless somebody took it away: ask [`still_ours`](Self::still_ours).
#[must_use = "the lock is released when the guard is dropped"]
pub struct RefreshLock<F: FileSystem> {
    key: EntryKey,
    held: Held<F>,
}

/// Proof that the caller holds the storage lock, unless somebody took it away: ask [`still_ours`](Self::still_ours).
#[must_use = "the lock is released when the guard is dropped"]
pub struct StorageLock<F: FileSystem> {
    held: Held<F>,
}

/// The lock is not ours any more, or nobody can tell. What it guarded must not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockLost {
    /// Somebody removed it.
    #[error("the lock {} was removed by another process while it was held here", path.display())]
    Gone {
        /// The lock's path.
        path: PathBuf,
    },
    /// Somebody took it over.
    #[error("the lock {} was taken over by another process while it was held here", path.display())]
    TakenOver {
        /// The lock's path.
        path: PathBuf,
    },
    /// It could not be looked at or removed.
    #[error("the lock {} cannot be looked at or released: {source}", path.display())]
    Io {
        /// The lock's path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl<F: FileSystem> RefreshLock<F> {
    pub(super) fn new(key: EntryKey, held: Held<F>) -> Self {
        Self { key, held }
    }

    /// The entry that the lock guards.
    #[must_use]
    pub fn key(&self) -> &EntryKey {
        &self.key
    }

    /// The lock's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.held.path
    }

    /// What tells this lock from any other that may stand in its place: to be remembered where a crash must not leave it behind
    /// for long, see [`Locks::remove_left_over`](crate::Locks::remove_left_over).
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.held.identity
    }

    /// Checks that the lock is still the one that was made (by its [`Identity`]).
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn still_ours(&self) -> Result<(), LockLost> {
        self.held.still_ours()
    }

    /// Releases the lock; one that is not ours any more is left alone.
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

    /// Checks that the lock is still the one that was made (by its [`Identity`]).
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn still_ours(&self) -> Result<(), LockLost> {
        self.held.still_ours()
    }

    /// Releases the lock; one that is not ours any more is left alone.
    ///
    /// # Errors
    /// [`LockLost`] says how it was lost.
    pub fn release(self) -> Result<(), LockLost> {
        self.held.release()
    }
}

/// A lock that was made here, kept dated until it is dropped.
pub(super) struct Held<F: FileSystem> {
    files: F,
    path: PathBuf,
    identity: Identity,
    heartbeat: Option<AbortHandle>,
    released: bool,
}

impl<F: FileSystem> Held<F> {
    /// Takes charge of a folder that was made just now.
    pub(super) fn new(files: F, path: PathBuf) -> Result<Self, LockError> {
        let stamp = match twice(|| files.link_stamp(&path)) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LockError::Lost { path }),
            Err(source) => {
                // Made a moment ago and too young to be stale to anybody: it is still ours.
                let _ = files.remove_folder(&path);
                return Err(LockError::Io { path, source });
            }
        };
        let identity = stamp.identity();
        let beat = heartbeat(files.clone(), path.clone(), identity);
        let mut held = Self { files, path, identity, heartbeat: None, released: false };
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

    /// A lock that stays behind keeps clients from writing until it is stale: what a disk refuses is tried again.
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
            // Nobody is left to be told; a lock that stays is stale to everybody after a minute.
            let _ = self.let_go();
        }
    }
}

/// Dates a lock to now again and again, until it is not ours any more. An error may pass; the next beat tries again.
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
