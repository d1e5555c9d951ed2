//! The only place that prints. Results go to standard output, messages to standard error.

use crate::platform::terminal;
use std::io::{self, Write};

/// Prints a result. A reader that went away (`mcp-refreshd status | head -1`) is no error.
///
/// # Errors
/// Any other failure to write, a full disk behind a redirection for one.
pub(crate) fn result(text: &str) -> io::Result<()> {
    part(text).map(drop)
}

/// Prints a secret: what the caller wipes is the only copy. A reader that went away is no error.
///
/// # Errors
/// As [`result`].
pub(crate) fn secret(bytes: &[u8]) -> io::Result<()> {
    match terminal::write_unbuffered(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    Gone,
}

/// Prints a part of a result that goes on, and says whether to go on.
///
/// # Errors
/// As [`result`].
pub(crate) fn part(text: &str) -> io::Result<Reader> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        other => other.map(|()| Reader::There),
    }
}

/// Whether anybody still reads standard output, without a write.
pub(crate) fn reader() -> Reader {
    if terminal::stdout_is_closed() { Reader::Gone } else { Reader::There }
}

/// Prints a message for the person at the terminal.
pub(crate) fn message(text: &str) {
    // Where even standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "mcp-refreshd: {text}"));
}
