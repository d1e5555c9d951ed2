//! Running in the sandbox of our systemd unit.

use rustix::fs::{StatVfsMountFlags, statvfs};
use std::path::Path;

/// The variable that the unit sets.
const SERVICE: &str = "MCP_REFRESHD_SERVICE";

/// Whether this process runs under the systemd unit that we ship.
pub(crate) fn by_systemd() -> bool {
    std::env::var_os(SERVICE).is_some_and(|service| service == "systemd")
}

/// Whether the folder exists but is read-only, whoever owns it. The sandbox makes those folders writable that exist when the agent
/// starts; one created later under the same name stays read-only.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
}
