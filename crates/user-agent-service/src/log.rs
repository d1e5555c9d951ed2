//! The log that the agent writes where no service manager keeps one.

use std::fs;
use std::path::Path;

/// The last lines of a log are within so many bytes of its end.
const TAIL: usize = 4096;

/// What the agent's own log ends with, in words.
pub(crate) fn last_lines(log: &Path) -> String {
    let log = fs::read(log).unwrap_or_default();
    let tail = log.get(log.len().saturating_sub(TAIL)..).unwrap_or_default();
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<_> = text.lines().rev().take(3).collect();
    if lines.is_empty() {
        return "see: mcp-refreshd logs".to_owned();
    }
    let lines: Vec<_> = lines.into_iter().rev().collect();
    format!("its log ends with:\n{}", lines.join("\n"))
}
