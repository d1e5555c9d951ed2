//! A retry for cleanup that must not fail.

use std::io;

/// Retries a failed call once, at once: a transient error must not leave a lock or a file with tokens behind. `NotFound` is an
/// answer, not a failure.
pub(crate) fn twice<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match call() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => call(),
        end => end,
    }
}
