use crate::ErrorKind;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

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
        |age| format!(" (last sign of life {} s ago)", age.as_secs()),
    )
}
