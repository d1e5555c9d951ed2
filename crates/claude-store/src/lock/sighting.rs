use crate::{Identity, Stamp};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The storage lock's name.
pub(super) const STORAGE_LOCK: &str = ".storage-write.lock";

/// Which of the client's two lock protocols a lock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Guards reading, refreshing and saving one entry.
    Refresh,
    /// Guards one write of the document.
    Storage,
}

impl LockKind {
    /// The age at which the client considers such a lock stale (measured).
    #[must_use]
    pub fn stale_after(self) -> Duration {
        match self {
            Self::Refresh => Duration::from_secs(60),
            Self::Storage => Duration::from_secs(15),
        }
    }

    /// The kind of lock with this name.
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

/// A lock as it stays behind if its holder is killed, and as long as nobody touches it. A storage lock is held too briefly for a heartbeat:
/// its date tells it from a later one even where a file system uses an inode number again and does not say when an inode was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftLock {
    pub(super) identity: Identity,
    pub(super) modified: SystemTime,
}

impl LeftLock {
    /// What is there now.
    pub(super) fn of(stamp: &Stamp) -> Self {
        Self { identity: stamp.identity(), modified: stamp.modified }
    }
}

/// A lock found in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSighting {
    /// The lock's path.
    pub path: PathBuf,
    /// Its protocol.
    pub kind: LockKind,
    /// Whether it is not a folder; the client never recovers from that.
    pub is_file: bool,
    /// When it was last updated.
    pub modified: SystemTime,
    /// Time since then; zero if it is dated in the future.
    pub age: Duration,
    /// Whether it is dated in the future; the client never steals such a lock.
    pub dated_ahead: bool,
}
