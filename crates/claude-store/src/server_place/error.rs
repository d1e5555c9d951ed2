use crate::{LockError, WriteError};
use std::io;
use std::path::PathBuf;

/// Why a configuration was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Its content cannot be understood.
    #[error("{} cannot be understood ({why}); fix it, and try again", path.display())]
    Odd {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It does not name the server, or no longer.
    #[error("{} no longer configures {name}", path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// The server.
        name: String,
    },
    /// The server has a command of its own.
    #[error("{name} has a `headersHelper` of its own in {}; remove that first", path.display())]
    OtherHelper {
        /// The file.
        path: PathBuf,
        /// The server.
        name: String,
    },
    /// Other programs kept writing it.
    #[error("{} changed during each attempt to write it; try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The client's lock could not be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It cannot be replaced.
    #[error(transparent)]
    Write(#[from] WriteError),
}
