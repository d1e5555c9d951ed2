//! The only place that prints. Results go to standard output, messages to standard error.

use crate::platform::terminal;
use crate::terminal::command_line::command_lines;
use crate::terminal::paragraph::paragraphs;
use crate::terminal::style::Style;
use std::io::{self, Write};

/// Prints a result. A reader that went away (`mcp-refreshd status | head -1`) is no error.
///
/// # Errors
/// Any other failure to write, a full disk behind a redirection for one.
pub(crate) fn result(text: &str) -> io::Result<()> {
    part(text).map(drop)
}

/// Prints a result in sentences: on a terminal no line is wider than it, elsewhere they are printed as they are.
///
/// # Errors
/// As [`result`].
pub(crate) fn prose(text: &str) -> io::Result<()> {
    result(&laid_out(text, &Style::of_stdout()))
}

/// Prints a command to be copied: on a terminal in lines that fit, which a shell reads as one.
///
/// # Errors
/// As [`result`].
pub(crate) fn command(prompt: &str, command: &str) -> io::Result<()> {
    let columns = Style::of_stdout().size.map_or(usize::MAX, |(columns, _)| columns);
    let lines = command_lines(command, columns.saturating_sub(prompt.len()));
    result(&format!("{prompt}{}\n", lines.join("\n")))
}

/// The text, ending as it ends, in lines that fit.
fn laid_out(text: &str, style: &Style) -> String {
    let Some((columns, _)) = style.size else { return text.to_owned() };
    paragraphs(text, columns, style).join("\n")
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
    let text = laid_out(&format!("mcp-refreshd: {text}"), &Style::of_stderr());
    drop(writeln!(io::stderr().lock(), "{text}"));
}
