//! What the system knows of files beyond their content. Access lists are inherited from the user's own folders; modes do not exist.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Only its user may read and write it: what the folders of the user's profile hand down.
pub(crate) const PRIVATE: u32 = 0o600;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a link itself.
const OPEN_LINK: u32 = 0x0020_0000;

/// The file in the state folder that says who holds its lock. Nobody else can read a locked file here.
pub(crate) const HOLDER: &str = "agent";

/// `FILE_FLAG_DELETE_ON_CLOSE`: the file goes with its handle.
const DELETE_ON_CLOSE: u32 = 0x0400_0000;

/// Opens a file; nothing here waits as a FIFO does.
pub(crate) fn opening() -> OpenOptions {
    File::options()
}

/// The same, and a link in the file's place is not followed.
pub(crate) fn opening_no_link() -> OpenOptions {
    let mut options = File::options();
    options.custom_flags(OPEN_LINK);
    options
}

/// The file, if it is one.
///
/// # Errors
/// It is something else.
pub(crate) fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Makes a folder and those above it that are missing.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Which file it is: when it was made, to 100 ns. Its index is not to be had from what is asked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64);

pub(crate) fn identity(metadata: &Metadata) -> Identity {
    Identity(metadata.creation_time())
}

/// Users have no numbers here.
pub(crate) fn owner(_metadata: &Metadata) -> u32 {
    super::process::user_id()
}

/// Nobody else may do anything.
pub(crate) fn mode(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o700 } else { PRIVATE }
}

/// Modes do not exist here.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Whether a file can be made in this folder; only trying tells, since access lists are not read here.
///
/// # Errors
/// It cannot.
pub(crate) fn may_write_into(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".mcp-refreshd-{}", std::process::id()));
    drop(
        File::options()
            .write(true)
            .create_new(true)
            .custom_flags(DELETE_ON_CLOSE)
            .share_mode(0)
            .open(path)?,
    );
    Ok(())
}

/// Whether a file of this size ends with the end of a line; an empty one does.
pub(crate) fn ends_with_newline(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        // The position moves along here; whoever appends goes to the end first.
        file.seek_read(&mut last, size - 1)?;
        let mut file = file;
        file.seek(SeekFrom::End(0))?;
    }
    Ok(last == [b'\n'])
}

/// A path as it was written by [`OsStr::as_encoded_bytes`](std::ffi::OsStr::as_encoded_bytes). One that is no Unicode cannot be read back.
pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
