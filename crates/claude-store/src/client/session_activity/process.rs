use crate::{FileSystem, platform};
use serde::Deserialize;
use std::path::Path;

/// Larger than any session file.
const LIMIT: u64 = 64 << 10;

/// A session's own file (measured with 2.1.330). The client writes it in place, so a reader may see half of it.
#[derive(Deserialize)]
struct Session {
    pid: i32,
    status: Option<String>,
    /// The start time of the process in the system's units, because process numbers are reused.
    #[serde(rename = "procStart")]
    started: Option<String>,
    /// On Linux it ends with the PID namespace.
    #[serde(rename = "pidDomain")]
    domain: Option<String>,
}

/// Whether this file's session is running and busy.
///
/// A session in another namespace (a container) cannot be checked for being alive; its file, which it updates at every change,
/// then counts like a log.
pub(super) fn is_busy<F: FileSystem>(files: &F, path: &Path) -> bool {
    let Ok((bytes, _)) = files.read(path, LIMIT) else { return false };
    let Ok(session) = serde_json::from_slice::<Session>(&bytes) else { return false };
    session.status.as_deref() == Some("busy")
        && session.domain.is_none_or(|domain| platform::is_own_process_domain(&domain))
        && platform::is_running(files, session.pid, session.started.as_deref())
}
