use crate::client::storage_folder::{CREDENTIALS, NEEDS_AUTH};
use crate::file_system::random::random_u32;
use std::path::Path;

/// The folder of a resolved path, which always has one.
pub(super) fn folder_of(target: &Path) -> &Path {
    target.parent().unwrap_or(target)
}

/// A new temporary name. The prefix is the client's, so that its own ignore rules fit, and this program's, so that nobody else's
/// files are ever swept.
pub(super) fn temporary_name() -> String {
    format!("{CREDENTIALS}.tmp.mcp-refreshd-{:08x}", random_u32())
}

/// Whether a name is one of [`temporary_name`]'s.
pub(super) fn is_temporary(name: &str) -> bool {
    is_temporary_cache(name) || is_temporary_of(name.strip_prefix(CREDENTIALS))
}

/// Whether a name is one of those that the needs-auth cache is written under first.
pub(super) fn is_temporary_cache(name: &str) -> bool {
    is_temporary_of(name.strip_prefix(".").and_then(|name| name.strip_prefix(NEEDS_AUTH)))
}

fn is_temporary_of(rest: Option<&str>) -> bool {
    let hex = rest.and_then(|rest| rest.strip_prefix(".tmp.mcp-refreshd-"));
    hex.is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}
