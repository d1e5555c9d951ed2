mod acquire;
mod error;
mod guard;
mod sighting;
mod steal;
mod survey;

pub use error::LockError;
pub use guard::{ConfigLock, LockLost, RefreshLock, StorageLock};
pub use sighting::{LeftLock, LockKind, LockSighting};

use crate::{EntryKey, FileSystem};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a lock must stay unchanged before it may be stolen: more than two heartbeats of a live holder. Measured on the monotonic
/// clock, since the wall clock is misleading after a suspend or a clock step.
const OBSERVATION: Duration = Duration::from_secs(12);

const _: () = assert!(OBSERVATION.as_secs() > 2 * guard::HEARTBEAT.as_secs());

/// The age at which the client considers the lock of a configuration stale (measured with 2.1.332).
const CONFIG_STALE_AFTER: Duration = Duration::from_secs(10);

const _: () = assert!(OBSERVATION.as_secs() > CONFIG_STALE_AFTER.as_secs());

/// How a lock is waited for.
#[derive(Clone, Copy)]
struct Wait {
    /// The age at which the client takes such a lock for left behind.
    stale_after: Duration,
    patience: Duration,
    /// Take it while no fsync is running. I3: a rename waits for a running fsync on the same disk (measured: 15 ms).
    calm: bool,
}

/// The locks of one storage folder, compatible with Claude Code's two lock protocols.
///
/// A lock is a folder created by `mkdir`, which its holder touches as long as it holds it, and which we recognize by its
/// [`Identity`](crate::Identity).
/// A lock that is *too old or dated in the future, and unchanged for 12 s of our monotonic clock* is stolen: renamed to a unique
/// name, checked again, removed. Observations persist across calls; clones share them.
pub struct Locks<F: FileSystem> {
    shared: Rc<Shared<F>>,
}

struct Shared<F> {
    files: F,
    folder: PathBuf,
    seen: RefCell<HashMap<PathBuf, Sighting>>,
}

/// A lock and since when, on our monotonic clock, it has been unchanged.
#[derive(Clone, Copy)]
struct Sighting {
    lock: LeftLock,
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

    /// Acquires the lock that guards reading, refreshing and saving one entry.
    ///
    /// Waits up to `patience`, or up to 12 s if the holder appears to be dead. Cancel-safe. Must run inside a
    /// [`tokio::task::LocalSet`].
    ///
    /// # Errors
    /// [`LockError::Held`] after `patience`; all others at once.
    pub async fn refresh_lock(
        &self,
        key: &EntryKey,
        patience: Duration,
    ) -> Result<RefreshLock<F>, LockError> {
        let path = self.shared.folder.join(key.lock_name());
        // Its holder is in no hurry: a refresh takes seconds.
        let wait = Wait { stale_after: LockKind::Refresh.stale_after(), patience, calm: false };
        Ok(RefreshLock::new(key.clone(), self.acquire(path, wait).await?))
    }

    /// Acquires the lock that guards one write of the document. Clients give up a write after 7.5 s without it (measured) and
    /// lose a token: hold it for milliseconds only.
    ///
    /// Waits, and must run, like [`refresh_lock`](Self::refresh_lock).
    ///
    /// # Errors
    /// As [`refresh_lock`](Self::refresh_lock).
    pub async fn storage_lock(&self, patience: Duration) -> Result<StorageLock<F>, LockError> {
        let path = self.shared.folder.join(sighting::STORAGE_LOCK);
        let wait = Wait { stale_after: LockKind::Storage.stale_after(), patience, calm: true };
        Ok(StorageLock::new(self.acquire(path, wait).await?))
    }

    /// Acquires the lock that guards one write of the configuration at this path, behind all links: the folder `<path>.lock` (measured
    /// with 2.1.332). The client holds it for milliseconds; one that a killed client left is stolen after 12 s.
    ///
    /// Waits, and must run, like [`refresh_lock`](Self::refresh_lock), but at least until a lock left by a killed client can be stolen.
    ///
    /// # Errors
    /// As [`refresh_lock`](Self::refresh_lock).
    pub async fn config_lock(&self, config: &Path, patience: Duration) -> Result<ConfigLock<F>, LockError> {
        let mut path = config.as_os_str().to_owned();
        path.push(".lock");
        let wait = Wait {
            stale_after: CONFIG_STALE_AFTER,
            // By then one that was left at the very beginning has become stale, and is waited for.
            patience: patience.max(OBSERVATION),
            calm: true,
        };
        Ok(ConfigLock::new(self.acquire(path.into(), wait).await?))
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
