//! What differs where systemd runs the agent, with everything taken from it that it does not need.

use rustix::fs::{StatVfsMountFlags, statvfs};
use std::path::Path;

/// The unit says so by this variable.
const SERVICE: &str = "MCP_REFRESHD_SERVICE";

/// Whether systemd runs this process by the unit that we ship.
pub(crate) fn by_systemd() -> bool {
    std::env::var_os(SERVICE).is_some_and(|service| service == "systemd")
}

/// Whether the folder is there and nothing can be written to it, whoever owns it. A sandbox lets the agent write to the folders that there
/// were when it started; one that came later, under the same name, is not among them.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
}
