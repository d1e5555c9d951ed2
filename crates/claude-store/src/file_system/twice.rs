//! A second try for what must not stay behind.

use std::io;

/// Tries again at once what a disk refused: an error that passes must not leave a lock or a file with tokens behind. That something
/// is not there is an answer and no refusal.
pub(crate) fn twice<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match call() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => call(),
        end => end,
    }
}
