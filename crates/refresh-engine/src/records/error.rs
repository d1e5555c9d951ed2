use super::format::VERSION;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The records cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}; make sure that the folder is yours and has room", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: Arc<io::Error>,
    },
    /// Written by a newer version.
    #[error(
        "{path} was written by a newer mcp-refreshd (format {found}, this one knows {VERSION}); run the newer version",
        path = path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> RecordsError {
    RecordsError::Io { action, path: path.to_owned(), source: Arc::new(source) }
}
