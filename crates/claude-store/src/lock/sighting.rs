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
