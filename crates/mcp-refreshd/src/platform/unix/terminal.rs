//! What stands behind standard output and standard error.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::termios::tcgetwinsize;
use std::io;

/// Columns and rows of the terminal behind standard output; zero where it does not tell.
pub(crate) fn window_size() -> (usize, usize) {
    let told = tcgetwinsize(io::stdout());
    told.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row))).unwrap_or_default()
}

/// Whether nobody can read standard output any more: a pipe or terminal whose other end was closed is in error, without a write.
pub(crate) fn stdout_is_closed() -> bool {
    let out = io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    // What cannot be asked is found out at the next write.
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

/// Whether standard error is the stream of this name, device and inode (`systemd.exec(5)`, `$JOURNAL_STREAM`).
pub(crate) fn stderr_is(stream: &str) -> bool {
    fstat(io::stderr()).is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}
