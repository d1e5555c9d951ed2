//! A file in the state folder that is replaced as a whole.

use crate::platform::files;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Replaces the file durably: after a crash it holds the old bytes or the new ones.
///
/// # Errors
/// The file system refuses; then the old one stands.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = files::opening_no_link().write(true).create_new(true).open(beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    path.parent().map_or(Ok(()), files::sync_folder)
}
