use crate::ToolError;
use std::io;
use std::path::PathBuf;

/// Why a service cannot be installed, started or stopped. Messages are for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service manager of such systems does not run on this machine.
    #[error("{0} does not run on this machine, so the agent cannot be a service here")]
    NoManager(&'static str),
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
