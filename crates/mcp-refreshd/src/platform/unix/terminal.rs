//! What standard output and standard error are connected to.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::termios::tcgetwinsize;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;

/// Columns and rows of the terminal on this stream; zero if it does not report them.
pub(crate) fn window_size(stream: impl AsFd) -> (usize, usize) {
    let told = tcgetwinsize(stream);
    told.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row))).unwrap_or_default()
}

/// Writes to standard output without a buffer that would keep a copy.
///
/// # Errors
/// The system's error.
pub(crate) fn write_unbuffered(bytes: &[u8]) -> io::Result<()> {
    let out = io::stdout();
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&out, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether the reader of standard output is gone: a pipe or terminal whose other end was closed reports an error even without a write.
pub(crate) fn stdout_is_closed() -> bool {
    let out = io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    // If polling fails, the next write finds out.
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

/// Whether standard error is the stream with this device and inode (`systemd.exec(5)`, `$JOURNAL_STREAM`).
pub(crate) fn stderr_is(stream: &str) -> bool {
    fstat(io::stderr()).is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

/// Whether the terminal understands escape sequences.
pub(crate) fn understands_escapes(env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    env("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether the terminal shows characters beyond ASCII: whether the locale's encoding is UTF-8.
pub(crate) fn shows_unicode(env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    // The order is POSIX's.
    let set = |name: &&str| env(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_string_lossy().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
