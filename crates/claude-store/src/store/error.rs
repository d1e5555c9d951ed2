use crate::{ErrorKind, KeychainError, KeyringError, LockLost};
use std::io;
use std::path::{Path, PathBuf};

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing is there: the client stored no login yet, or the folder is missing.
    #[error("{} does not exist yet; it appears with the first `claude mcp login`", path.display())]
    Absent {
        /// The document's path.
        path: PathBuf,
    },
    /// The path is a link to nothing.
    #[error(
        "{} is a link to something that does not exist; mend or remove the link (is a disk not mounted?)",
        path.display()
    )]
    DanglingLink {
        /// The document's path.
        path: PathBuf,
    },
    /// Something else stands where the document belongs.
    #[error("{} is not a regular file (a folder, a FIFO, a device?); move it away", path.display())]
    NotAFile {
        /// The document's path.
        path: PathBuf,
    },
    /// More bytes than any document has.
    #[error(
        "{} is over {} MiB, far larger than any credential document; move it away and log in again",
        path.display(),
        limit >> 20
    )]
    TooLarge {
        /// The document's path.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file or its folder may not be read.
    #[error(
        "{} may not be read by this user (owner {}, mode {}); give the file back to its user: `chown $USER` it, `chmod 600` it",
        path.display(),
        owner.map_or_else(|| "unknown".to_owned(), |owner| owner.to_string()),
        mode.map_or_else(|| "unknown".to_owned(), |mode| format!("{mode:04o}"))
    )]
    Denied {
        /// The document's path.
        path: PathBuf,
        /// User id of the owner, where even that may be known.
        owner: Option<u32>,
        /// Permission bits.
        mode: Option<u32>,
    },
    /// The document is in a Keychain, and that did not give it.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The document is in a keyring, and that did not give it.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Any other error of the operating system.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The document's path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ReadError {
    /// What to do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Absent { .. } => ErrorKind::Absent,
            Self::Io { .. } => ErrorKind::Retry,
            Self::Keychain(error) => error.kind(),
            Self::Keyring(error) => error.kind(),
            Self::DanglingLink { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::Denied { .. } => ErrorKind::NeedsPerson,
        }
    }
}

/// Why a document could not be written. The stored document is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The stored document could not be read, and what cannot be compared is not replaced.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is a mount point of its own: a rename over it gives EBUSY.
    #[error(
        "{} is a mount point by itself (bind-mounted into a container?), so it cannot be replaced; mount its folder instead",
        path.display()
    )]
    MountPoint {
        /// The document's final path.
        path: PathBuf,
    },
    /// The file or its folder carries a flag that forbids replacing it.
    #[error(
        "{} is marked immutable, append-only or read-only and cannot be replaced; clear the mark (`chattr -i -a`, on macOS `chflags nouchg`, on Windows `attrib -r`)",
        path.display()
    )]
    Immutable {
        /// The file or folder with the flag.
        path: PathBuf,
    },
    /// The file belongs to somebody else; replacing it would change its owner.
    #[error(
        "{} belongs to user {owner}, and this is user {user}; give it back (`chown {user}`), or run the agent as its owner",
        path.display()
    )]
    ForeignOwner {
        /// The document's final path.
        path: PathBuf,
        /// The file's owner.
        owner: u32,
        /// The user this program runs as.
        user: u32,
    },
    /// The file system is mounted read-only.
    #[error("{} lies on a read-only file system; mount it writable", path.display())]
    ReadOnly {
        /// The path that was to be written.
        path: PathBuf,
    },
    /// The disk or the quota is full.
    #[error("no room left for {}: the disk or the user's quota is full; free some", path.display())]
    NoRoom {
        /// The path that was to be written.
        path: PathBuf,
    },
    /// A new file may not be made in the document's folder.
    #[error("{} may not be written by this user; `chmod u+rwx` its folder, or give the folder back to its user", path.display())]
    Denied {
        /// The path that was to be written.
        path: PathBuf,
    },
    /// The storage lock was taken away; without it nothing is written.
    #[error(transparent)]
    LockLost(#[from] LockLost),
    /// The document is in a Keychain, and that did not take it.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The document is in a keyring, and that did not take it.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Any other error of the operating system.
    #[error("{} cannot be written ({step}): {source}", path.display())]
    Io {
        /// The step that failed.
        step: &'static str,
        /// The path it was about.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl WriteError {
    /// What to do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(error) => error.kind(),
            Self::Keychain(error) => error.kind(),
            Self::Keyring(error) => error.kind(),
            Self::LockLost(_) | Self::Io { .. } => ErrorKind::Retry,
            Self::MountPoint { .. }
            | Self::Immutable { .. }
            | Self::ForeignOwner { .. }
            | Self::ReadOnly { .. }
            | Self::NoRoom { .. }
            | Self::Denied { .. } => ErrorKind::NeedsPerson,
        }
    }

    /// Names an error of the operating system at one step of a write.
    pub(crate) fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom { path },
                io::ErrorKind::PermissionDenied => Self::Denied { path },
                io::ErrorKind::ResourceBusy => Self::MountPoint { path },
                _ => Self::Io { step, path, source },
            }
        }
    }
}
