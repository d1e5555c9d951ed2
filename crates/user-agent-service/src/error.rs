use crate::ToolError;
use std::io;
use std::path::PathBuf;

/// Why a service cannot be installed, started or stopped. Messages are for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// This system has no supported service manager.
    #[error("{0}")]
    NoManager(String),
    /// The service manager cannot be reached by this user now.
    #[error("{0}")]
    Unreachable(String),
    /// The service is not installed.
    #[error("the agent is not installed; run: mcp-refreshd install")]
    NotInstalled,
    /// The request cannot be fulfilled here.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read or changed.
    #[error("{} cannot be {doing}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// "read", "written", "removed".
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A tool of the manager failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}
