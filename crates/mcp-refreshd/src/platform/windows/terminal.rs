//! What stands behind standard output and standard error.

use terminal_size::{Height, Width, terminal_size_of};

/// Columns and rows of the console behind standard output; zero where it does not tell.
pub(crate) fn window_size() -> (usize, usize) {
    let size = terminal_size_of(std::io::stdout());
    size.map(|(Width(columns), Height(rows))| (usize::from(columns), usize::from(rows))).unwrap_or_default()
}

/// Whether nobody can read standard output any more. It is found out at the next write.
pub(crate) fn stdout_is_closed() -> bool {
    false
}

/// No journal reads standard error here.
pub(crate) fn stderr_is(_stream: &str) -> bool {
    false
}
