use crate::client::storage_folder::{CREDENTIALS, NEEDS_AUTH};
use std::path::Path;

/// The folder of a resolved path, which always has one.
pub(super) fn folder_of(target: &Path) -> &Path {
    target.parent().unwrap_or(target)
}

/// A new temporary name: the client's prefix, so that ignore rules written for it apply, plus this program's own, so that no other
/// program's files are ever removed.
pub(super) fn temporary_name() -> String {
    format!("{CREDENTIALS}.tmp.mcp-refreshd-{:08x}", fastrand::u32(..))
}

/// Whether this is a name from [`temporary_name`].
pub(super) fn is_temporary(name: &str) -> bool {
    is_temporary_cache(name) || is_temporary_of(name.strip_prefix(CREDENTIALS))
}

/// Whether this is a temporary name of the needs-auth cache.
pub(super) fn is_temporary_cache(name: &str) -> bool {
    is_temporary_of(name.strip_prefix(".").and_then(|name| name.strip_prefix(NEEDS_AUTH)))
}

fn is_temporary_of(rest: Option<&str>) -> bool {
    let hex = rest.and_then(|rest| rest.strip_prefix(".tmp.mcp-refreshd-"));
    hex.is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}
