//! The Task Scheduler does not sandbox the agent.

use std::path::Path;

/// There is no systemd here.
pub(crate) fn by_systemd() -> bool {
    false
}

/// No sandbox makes folders read-only.
pub(crate) fn is_read_only(_folder: &Path) -> bool {
    false
}
