//! Files: owners, permissions, and opening without blocking.

use rustix::fs::{Access, OFlags};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Only the owner may read and write it.
pub(crate) const PRIVATE: u32 = 0o600;

/// The file in the state folder that names the lock's holder: the locked file itself, which stays readable.
pub(crate) const HOLDER: &str = "lock";

/// Opens without blocking: a FIFO in the file's place must not hang the program. New files are private.
pub(crate) fn opening() -> OpenOptions {
    options(OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// The same, but a link in the file's place is refused.
pub(crate) fn opening_no_link() -> OpenOptions {
    options(OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW)
}

fn options(flags: OFlags) -> OpenOptions {
    let mut options = File::options();
    options.mode(PRIVATE).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    options
}

/// The file, if it is a regular one.
///
/// # Errors
/// It is something else.
pub(crate) fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Creates a private folder and its missing parents.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Checks that this process may create files in the folder, without creating one.
///
/// # Errors
/// It may not: [`ReadOnlyFilesystem`](io::ErrorKind::ReadOnlyFilesystem),
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) or [`StorageFull`](io::ErrorKind::StorageFull).
pub(crate) fn may_write_into(folder: &Path) -> io::Result<()> {
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
    // A file system that does not count its blocks has none of them free either.
    match rustix::fs::statvfs(folder) {
        Ok(room) if room.f_blocks > 0 && room.f_bavail == 0 && room.f_bfree == 0 => {
            Err(io::ErrorKind::StorageFull.into())
        }
        _ => Ok(()),
    }
}

/// The file's identity regardless of its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

pub(crate) fn identity(metadata: &Metadata) -> Identity {
    Identity(metadata.dev(), metadata.ino())
}

/// The owner's user id.
pub(crate) fn owner(metadata: &Metadata) -> u32 {
    metadata.uid()
}

/// The permission bits, without the file type.
pub(crate) fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

/// Sets the permission bits.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

pub(crate) fn is_socket(metadata: &Metadata) -> bool {
    metadata.file_type().is_socket()
}

/// Whether a file of this size ends with a newline; an empty one counts.
pub(crate) fn ends_with_newline(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    Ok(last == [b'\n'])
}

/// A path from the bytes of [`OsStr::as_encoded_bytes`].
pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Variables that move the files of this program and of Claude Code, and their usual values in the home folder. A manager that starts at
/// the login does not know what a shell's start-up file says.
pub(crate) const FOLDER_VARIABLES: &[(&str, &str)] =
    &[("XDG_CONFIG_HOME", ".config"), ("XDG_STATE_HOME", ".local/state"), ("XDG_CACHE_HOME", ".cache")];

/// The variable with the home folder, for messages.
pub(crate) const HOME_VARIABLE: &str = "HOME";

/// Where files are, for the help.
pub(crate) const FILES: &str =
    "  configuration  $XDG_CONFIG_HOME/mcp-refreshd/config.toml (~/.config; optional)
  state          $XDG_STATE_HOME/mcp-refreshd (~/.local/state)";

/// What Claude Code's program may be called.
pub(crate) const CLIENT_PROGRAMS: &[&str] = &["claude"];
