use crate::ErrorKind;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a lock could not be acquired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A live process holds it: the client is refreshing or writing. Retry later.
    #[error("{} is held by another process{}", path.display(), describe_age(*age))]
    Held {
        /// The lock's path.
        path: PathBuf,
        /// Time since the holder last updated it; `None` if it is dated in the future.
        age: Option<Duration>,
    },
    /// The lock's path is a file (or link), which blocks Claude Code too.
    #[error(
        "{} must be a folder but is a file, so neither mcp-refreshd nor Claude Code can take this lock; run `mcp-refreshd doctor --fix` to remove it",
        path.display()
    )]
    IsFile {
        /// The lock's path.
        path: PathBuf,
    },
    /// It was removed the moment it was created.
    #[error("{} was removed by another process", path.display())]
    Lost {
        /// The lock's path.
        path: PathBuf,
    },
    /// Any other error of the operating system.
    #[error("cannot create {}: {source}; check that its folder exists and is writable", path.display())]
    Io {
        /// The lock's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl LockError {
    /// How to handle the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Held { .. } | Self::Lost { .. } => ErrorKind::Retry,
            Self::IsFile { .. } => ErrorKind::NeedsPerson,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::Absent,
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded => ErrorKind::NeedsPerson,
                _ => ErrorKind::Retry,
            },
        }
    }
}

fn describe_age(age: Option<Duration>) -> String {
    age.map_or_else(
        || " and dated in the future".to_owned(),
        |age| format!(" (last heartbeat {} s ago)", age.as_secs()),
    )
}
