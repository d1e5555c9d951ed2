use crate::platform::{CLEAR_FLAGS, may_read_again, may_write_again, move_away, take, word};
use crate::{ErrorKind, KeychainError, KeyringError, LockLost};
use std::io;
use std::path::{Path, PathBuf};

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The document does not exist: no login has been stored yet, or the folder is missing.
    #[error("{} does not exist yet; the first `claude mcp login` creates it", path.display())]
    Absent {
        /// The document's path.
        path: PathBuf,
    },
    /// A dangling link.
    #[error(
        "{} is a link to a missing file; fix or remove the link, or mount the file system it points to",
        path.display()
    )]
    DanglingLink {
        /// The document's path.
        path: PathBuf,
    },
    /// The path is not a regular file.
    #[error("{} is not a regular file (perhaps a folder, FIFO or device); move it away", path.display())]
    NotAFile {
        /// The document's path.
        path: PathBuf,
    },
    /// A file in the place of a folder above it.
    #[error("{} is a file; the store is a folder with a .credentials.json in it{}", path.display(), instead_of(path))]
    FolderIsFile {
        /// The file.
        path: PathBuf,
    },
    /// Larger than any document.
    #[error(
        "{} exceeds {} MiB, far too large for a credential document; move it away and log in again",
        path.display(),
        limit >> 20
    )]
    TooLarge {
        /// The document's path.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Permission denied for the file or its folder.
    #[error("permission denied: {}{}", closed(path, *owner, *mode), typed(may_read_again(path, *owner)))]
    Denied {
        /// The document's path.
        path: PathBuf,
        /// The owner's user id, if it can be determined.
        owner: Option<u32>,
        /// Permission bits, if they can be determined.
        mode: Option<u32>,
    },
    /// The client keeps its logins elsewhere: what the file holds are old ones.
    #[error("{} is not used: {why}", path.display())]
    Unused {
        /// The document's path.
        path: PathBuf,
        /// Where the logins are, and what to do.
        why: String,
    },
    /// The Keychain did not return the document.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The keyring did not return the document.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Any other system error.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The document's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// What is closed: the document, or a folder above it.
fn closed(path: &Path, owner: Option<u32>, mode: Option<u32>) -> String {
    match (owner, mode) {
        (Some(owner), Some(mode)) => format!("{} has owner {owner} and mode {mode:04o}", path.display()),
        _ => format!("{} is in a folder that this user may not enter", path.display()),
    }
}

fn typed(command: Option<String>) -> String {
    command.map(|command| format!("; type: {command}")).unwrap_or_default()
}

/// What to do about a file in the place of a store's folder.
fn instead_of(file: &Path) -> String {
    match file.parent().filter(|_| file.file_name().is_some_and(|name| name == ".credentials.json")) {
        Some(folder) => format!(": name its folder instead, {}", folder.display()),
        None => format!("; {}, or name another folder", move_away(file)),
    }
}

impl ReadError {
    /// The command that makes the document readable again, where there is one.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        match self {
            Self::Denied { path, owner, .. } => may_read_again(path, *owner),
            _ => None,
        }
    }

    /// How to handle the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Absent { .. } => ErrorKind::Absent,
            Self::Io { .. } => ErrorKind::Retry,
            Self::Keychain(error) => error.kind(),
            Self::Keyring(error) => error.kind(),
            Self::DanglingLink { .. }
            | Self::NotAFile { .. }
            | Self::FolderIsFile { .. }
            | Self::TooLarge { .. }
            | Self::Unused { .. }
            | Self::Denied { .. } => ErrorKind::NeedsPerson,
        }
    }
}

/// Why a document could not be written. The stored document is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The stored document cannot be read, so it cannot be compared and is not replaced.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is itself a mount point, so a rename over it fails with EBUSY.
    #[error(
        "{} is itself a mount point (bind-mounted into a container?) and cannot be replaced; mount its folder instead",
        path.display()
    )]
    MountPoint {
        /// The document's final path.
        path: PathBuf,
    },
    /// The file or its folder has a flag that prevents replacing it.
    #[error(
        "{} is immutable, append-only or read-only and cannot be replaced; type: {CLEAR_FLAGS} {}",
        path.display(),
        word(path)
    )]
    Immutable {
        /// The file or folder with the flag.
        path: PathBuf,
    },
    /// The file belongs to another user; replacing it would change its owner.
    #[error(
        "{} belongs to user {owner}, but this process runs as user {user}; type: {}, or run the agent as its owner",
        path.display(),
        take(path)
    )]
    ForeignOwner {
        /// The document's final path.
        path: PathBuf,
        /// The file's owner.
        owner: u32,
        /// The user running this process.
        user: u32,
    },
    /// The file system is mounted read-only.
    #[error("{} is on a read-only file system; remount it writable", path.display())]
    ReadOnly {
        /// The path to be written.
        path: PathBuf,
    },
    /// The disk or the quota is full.
    #[error("cannot write {}: the disk or the user's quota is full; free some space", path.display())]
    NoRoom {
        /// The path to be written.
        path: PathBuf,
    },
    /// No permission to create files in the document's folder.
    #[error("permission denied: cannot write {}; {}", path.display(), may_write_again(path))]
    Denied {
        /// The path to be written.
        path: PathBuf,
    },
    /// The storage lock was lost, so nothing was written.
    #[error(transparent)]
    LockLost(#[from] LockLost),
    /// The Keychain did not accept the document.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The keyring did not accept the document.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Any other system error.
    #[error("cannot write {} ({step}): {source}", path.display())]
    Io {
        /// The step that failed.
        step: &'static str,
        /// The affected path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl WriteError {
    /// How to handle the error.
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

    /// Wraps a system error at one step of a write.
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
