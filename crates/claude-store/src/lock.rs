mod acquire;
mod guard;
mod steal;
mod survey;

pub use guard::{LockLost, RefreshLock, StorageLock};
pub use survey::{LockKind, LockSighting};

use crate::{EntryKey, FileSystem, Identity, Stamp};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How often a held lock is dated to now (measured: the client's own rhythm; far inside every limit below).
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long a lock must not have moved under our eyes before it may be stolen: two heartbeats of a live holder and some. Wall
/// clocks lie after a suspend and after a step of the clock; this clock of ours does not.
const OBSERVATION: Duration = Duration::from_secs(12);

const _: () = assert!(OBSERVATION.as_secs() > 2 * HEARTBEAT.as_secs());

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

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody alive holds it: the client is refreshing or writing. Come back later.
    #[error("{} is held by another process{}; it will be tried again", path.display(), describe_age(*age))]
    Held {
        /// The lock's path.
        path: PathBuf,
        /// Time since its holder dated it last; `None` where it is dated ahead.
        age: Option<Duration>,
    },
    /// A file (or link) stands in the lock's place; Claude Code itself cannot get past it either.
    #[error(
        "{} is not a folder, so nobody can take this lock, Claude Code neither; `mcp-refreshd doctor --fix` removes it",
        path.display()
    )]
    IsFile {
        /// The lock's path.
        path: PathBuf,
    },
    /// It was taken away in the moment it was made.
    #[error("{} was taken away by another process; it will be tried again", path.display())]
    Lost {
        /// The lock's path.
        path: PathBuf,
    },
    /// Any other error of the operating system.
    #[error("{} cannot be made: {source}; see that its folder exists and can be written", path.display())]
    Io {
        /// The lock's path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl LockError {
    /// What to do next.
    #[must_use]
    pub fn kind(&self) -> crate::ErrorKind {
        match self {
            Self::Held { .. } | Self::Lost { .. } => crate::ErrorKind::Retry,
            Self::IsFile { .. } => crate::ErrorKind::NeedsPerson,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => crate::ErrorKind::Absent,
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded => crate::ErrorKind::NeedsPerson,
                _ => crate::ErrorKind::Retry,
            },
        }
    }
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
        let path = self.shared.folder.join(survey::STORAGE_LOCK);
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

fn describe_age(age: Option<Duration>) -> String {
    age.map_or_else(
        || " and dated in the future".to_owned(),
        |age| format!(" (last sign of life {} s ago)", age.as_secs()),
    )
}
