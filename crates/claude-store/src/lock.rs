mod acquire;
mod error;
mod guard;
mod sighting;
mod steal;
mod survey;

pub use error::LockError;
pub use guard::{LockLost, RefreshLock, StorageLock};
pub use sighting::{LockKind, LockSighting};

use crate::{EntryKey, FileSystem, Identity, Stamp};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How long a lock must not have moved under our eyes before it may be stolen: two heartbeats of a live holder and some. Wall
/// clocks lie after a suspend and after a step of the clock; this clock of ours does not.
const OBSERVATION: Duration = Duration::from_secs(12);

const _: () = assert!(OBSERVATION.as_secs() > 2 * guard::HEARTBEAT.as_secs());

/// The locks of one storage folder: Claude Code's two protocols, spoken as the client speaks them.
///
/// A lock is a folder made by `mkdir`, dated to now by its holder as long as it is held, known as ours by its [`Identity`]. One that is
/// *too old or dated ahead, and has not moved for 12 s of our own clock* is stolen: renamed to a name of its own, looked at once
/// more, removed. What was seen is remembered across calls; clones share it.
pub struct Locks<F: FileSystem> {
    shared: Rc<Shared<F>>,
}

struct Shared<F> {
    files: F,
    folder: PathBuf,
    seen: RefCell<HashMap<PathBuf, Sighting>>,
}

/// A lock as it has stood since a moment of our monotonic clock.
#[derive(Clone, Copy)]
struct Sighting {
    identity: Identity,
    modified: SystemTime,
    since: Instant,
}

impl<F: FileSystem> Locks<F> {
    /// The locks of this storage folder.
    #[must_use]
    pub fn new(files: F, folder: impl Into<PathBuf>) -> Self {
        let shared = Shared { files, folder: folder.into(), seen: RefCell::default() };
        Self { shared: Rc::new(shared) }
    }

    /// The storage folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Takes the lock that guards read, refresh and save of one entry.
    ///
    /// Waits up to `patience`, and up to 12 s where the lock looks as if its holder had died. Dropping the future leaves
    /// nothing behind. Must run inside a [`tokio::task::LocalSet`].
    ///
    /// # Errors
    /// [`LockError::Held`] when the patience is over; the others at once.
    pub async fn refresh_lock(
        &self,
        key: &EntryKey,
        patience: Duration,
    ) -> Result<RefreshLock<F>, LockError> {
        let path = self.shared.folder.join(key.lock_name());
        Ok(RefreshLock::new(key.clone(), self.acquire(path, LockKind::Refresh, patience).await?))
    }

    /// Takes the lock that guards one write of the document. Clients give a write up after 7.5 s without it (measured) and
    /// lose a token then: hold it for milliseconds.
    ///
    /// Waits and must run as [`refresh_lock`](Self::refresh_lock).
    ///
    /// # Errors
    /// As [`refresh_lock`](Self::refresh_lock).
    pub async fn storage_lock(&self, patience: Duration) -> Result<StorageLock<F>, LockError> {
        let path = self.shared.folder.join(sighting::STORAGE_LOCK);
        Ok(StorageLock::new(self.acquire(path, LockKind::Storage, patience).await?))
    }
}

impl Sighting {
    fn is_of(&self, stamp: &Stamp) -> bool {
        (self.identity, self.modified) == (stamp.identity(), stamp.modified)
    }
}

impl<F: FileSystem> Clone for Locks<F> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<F: FileSystem> std::fmt::Debug for Locks<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locks").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}
