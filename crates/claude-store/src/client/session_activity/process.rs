use crate::{FileSystem, platform};
use serde::Deserialize;
use std::path::Path;

/// More than any session writes about itself.
const LIMIT: u64 = 64 << 10;

/// What a session says of itself (measured with 2.1.330). It writes in place: a reader can meet half of it.
#[derive(Deserialize)]
struct Session {
    pid: i32,
    status: Option<String>,
    /// The start time of the process, as the system counts it: a process number is given out again and again.
    #[serde(rename = "procStart")]
    started: Option<String>,
    /// On Linux it ends in the name of the process-number namespace.
    #[serde(rename = "pidDomain")]
    domain: Option<String>,
}

/// Whether the session of this file lives and says that it is busy.
///
/// A session in another namespace (a container) cannot be asked whether it lives; its file, which it writes at every change, then
/// counts like a log.
pub(super) fn is_busy<F: FileSystem>(files: &F, path: &Path) -> bool {
    let Ok((bytes, _)) = files.read(path, LIMIT) else { return false };
    let Ok(session) = serde_json::from_slice::<Session>(&bytes) else { return false };
    session.status.as_deref() == Some("busy")
        && session.domain.is_none_or(|domain| platform::is_own_process_domain(&domain))
        && platform::is_running(files, session.pid, session.started.as_deref())
}
