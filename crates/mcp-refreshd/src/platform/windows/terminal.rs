//! What standard output and standard error are connected to.

use std::ffi::OsString;
use std::os::windows::io::AsHandle;
use terminal_size::{Height, Width, terminal_size_of};

/// Columns and rows of the console on this stream; zero if it does not report them.
pub(crate) fn window_size(stream: impl AsHandle) -> (usize, usize) {
    let size = terminal_size_of(stream);
    size.map(|(Width(columns), Height(rows))| (usize::from(columns), usize::from(rows))).unwrap_or_default()
}

/// Writes to standard output.
///
/// # Errors
/// The system's error.
pub(crate) fn write_unbuffered(bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Whether the reader of standard output is gone. The next write finds out.
pub(crate) fn stdout_is_closed() -> bool {
    false
}

/// There is no journal on standard error.
pub(crate) fn stderr_is(_stream: &str) -> bool {
    false
}

/// Whether the terminal understands escape sequences: a console does if it is told to, since Windows 10; others say so.
pub(crate) fn understands_escapes(env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    match env("TERM").filter(|term| !term.is_empty()) {
        Some(term) => term != "dumb",
        None => anstyle_query::windows::enable_ansi_colors() == Some(true),
    }
}

/// Whether the terminal shows characters beyond ASCII: a console gets UTF-16 from the standard library, whatever its code page.
pub(crate) fn shows_unicode(_env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    true
}
