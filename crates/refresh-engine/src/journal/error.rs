use super::version::VERSION;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The journal cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {action} the journal {path}: {source}; {cure}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The journal's path.
        path: PathBuf,
        /// Why it failed.
        source: Arc<io::Error>,
        /// What the user can do.
        cure: &'static str,
    },
    /// A newer version wrote it.
    #[error(
        "the journal {path} was written by a newer mcp-refreshd (format {found}, this one knows {VERSION}); \
         run the newer version, which finishes what the journal holds",
        path = path.display()
    )]
    Newer {
        /// The journal's path.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Not a journal.
    #[error(
        "{path} is not a journal of mcp-refreshd ({why}); nothing was changed; move it away and start again",
        path = path.display()
    )]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    let cure = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space on that disk",
        io::ErrorKind::ReadOnlyFilesystem => "mount that file system writable",
        io::ErrorKind::PermissionDenied => "make the folder and the file yours (mode 0700 and 0600)",
        _ => "check the disk and the system log",
    };
    JournalError::Io { action, path: path.to_owned(), source: Arc::new(source), cure }
}
