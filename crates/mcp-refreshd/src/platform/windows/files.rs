//! Files. Access control lists are inherited from the user's own folders; there are no modes.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Only the owner may read and write it, as inherited from the user's profile folder.
pub(crate) const PRIVATE: u32 = 0o600;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a link itself.
const OPEN_LINK: u32 = 0x0020_0000;

/// The file in the state folder that names the lock's holder: on Windows nobody else can read a locked file.
pub(crate) const HOLDER: &str = "agent";

/// `FILE_FLAG_DELETE_ON_CLOSE`: the file goes with its handle.
const DELETE_ON_CLOSE: u32 = 0x0400_0000;

/// Opens a file; nothing blocks as a FIFO would.
pub(crate) fn opening() -> OpenOptions {
    File::options()
}

/// The same, but a link in the file's place is not followed.
pub(crate) fn opening_no_link() -> OpenOptions {
    let mut options = File::options();
    options.custom_flags(OPEN_LINK);
    options
}

/// The file, if it is a regular one.
///
/// # Errors
/// It is something else.
pub(crate) fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Creates a folder and its missing parents.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// The file's identity: its creation time, to 100 ns. The standard library does not offer its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64);

pub(crate) fn identity(metadata: &Metadata) -> Identity {
    Identity(metadata.creation_time())
}

/// Users have no numeric ids.
pub(crate) fn owner(_metadata: &Metadata) -> u32 {
    super::process::user_id()
}

/// Nobody else has access.
pub(crate) fn mode(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o700 } else { PRIVATE }
}

/// There are no modes.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Whether a file can be created in this folder; only trying tells, since access control lists are not read.
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

/// Whether a file of this size ends with a newline; an empty one counts.
pub(crate) fn ends_with_newline(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        // This moves the position; appending seeks to the end first.
        file.seek_read(&mut last, size - 1)?;
        let mut file = file;
        file.seek(SeekFrom::End(0))?;
    }
    Ok(last == [b'\n'])
}

/// A path from the bytes of [`OsStr::as_encoded_bytes`](std::ffi::OsStr::as_encoded_bytes). Only Unicode paths can be read back.
pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Variables that move the files of this program: the logon sets them, for tasks as for shells.
pub(crate) const FOLDER_VARIABLES: &[(&str, &str)] = &[];

/// The variable with the home folder, for messages.
pub(crate) const HOME_VARIABLE: &str = "USERPROFILE";

/// Where files are, for the help.
pub(crate) const FILES: &str = "  configuration  %APPDATA%\\mcp-refreshd\\config.toml (optional)
  state          %LOCALAPPDATA%\\mcp-refreshd";

/// What Claude Code's program may be called.
pub(crate) const CLIENT_PROGRAMS: &[&str] = &["claude.exe", "claude.cmd"];
