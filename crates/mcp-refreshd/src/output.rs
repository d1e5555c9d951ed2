//! The only place that prints. Results go to standard output, messages to standard error.

use std::io::{self, Write};

/// Prints a result. A reader that went away (`mcp-refreshd status | head -1`) is no error.
///
/// # Errors
/// Any other failure to write, a full disk behind a redirection for one.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a message for the person at the terminal.
pub(crate) fn message(text: &str) {
    // Where even standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "mcp-refreshd: {text}"));
}
