use crate::ToolError;
use std::io;
use std::path::PathBuf;

/// Why a service cannot be installed, started or stopped. The messages are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// This system has no service manager that is known here.
    #[error("{0}")]
    NoManager(String),
    /// It is there and cannot be reached by this user now.
    #[error("{0}")]
    Unreachable(String),
    /// The service is not installed.
    #[error("the agent is not installed; type: mcp-refreshd install")]
    NotInstalled,
    /// What was asked for cannot be done here.
    #[error("{0}")]
    Refused(String),
    /// A file cannot be read or changed.
    #[error("{} cannot be {doing}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// "read", "written", "removed".
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// One of the manager's tools failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}
