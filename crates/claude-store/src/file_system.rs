pub(crate) mod twice;

use oauth_secret::SecretBytes;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file system operations that the store, the locks and the journal need.
///
/// Calls that a local file system serves from memory (`stat`, `mkdir`, `rename`, small writes) are plain functions and run on the
/// caller's thread. Only [`sync`](Self::sync) and [`sync_folder`](Self::sync_folder) wait for the disk; they are futures, so that a
/// slow disk never blocks the loop that feeds the watchdog. [`OsFileSystem`](crate::OsFileSystem) is the real one; tests use one in
/// memory, with virtual time, faults and power cuts.
pub trait FileSystem: Clone + 'static {
    /// An open file.
    type File: 'static;

    /// The clock that dates files, and lock ages.
    fn now(&self) -> SystemTime;

    /// Reads a regular file (links are followed). Anything else (a FIFO, a folder, a device) is refused without blocking, with
    /// [`io::ErrorKind::InvalidInput`]; more than `limit` bytes with [`io::ErrorKind::FileTooLarge`].
    fn read(&self, path: &Path, limit: u64) -> io::Result<(SecretBytes, Stamp)>;

    /// Streams a large file of which little is needed. It must not contain secrets: the buffer is not wiped.
    fn reader(&self, path: &Path, limit: u64) -> io::Result<Box<dyn io::Read>> {
        let (bytes, _) = self.read(path, limit)?;
        Ok(Box::new(io::Cursor::new(bytes.to_vec())))
    }

    /// `stat`: follows links.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// `lstat`: does not follow a link.
    fn link_stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// Resolves every link in the path; fails if any component is missing.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// The names in a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// `mkdir` of one level with this mode; [`io::ErrorKind::AlreadyExists`] if the path exists.
    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// `rmdir`.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// `unlink`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// `rename`, replacing a file at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// `rename` that replaces nothing: [`io::ErrorKind::AlreadyExists`] if `to` exists, even as an empty folder.
    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The user id that owns files created here.
    fn user(&self) -> u32;

    /// What would prevent a rename over this file, or within this folder, even if permissions allow it; `None` if nothing is
    /// known.
    fn obstacle(&self, path: &Path) -> io::Result<Option<Obstacle>>;

    /// Sets the date of a file or folder (not of a link's target) to [`now`](Self::now).
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Creates a file (`O_CREAT | O_EXCL | O_NOFOLLOW`) with this mode, whatever the umask.
    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Self::File>;

    /// Opens an existing regular file for reading and appending; never follows a link.
    fn open_to_append(&self, path: &Path) -> io::Result<Self::File>;

    /// Allocates the file's first `len` bytes without changing its size, so that a later write cannot fail for lack of space.
    /// [`io::ErrorKind::Unsupported`] if the file system cannot do that.
    fn reserve(&self, file: &Self::File, len: u64) -> io::Result<()>;

    /// Appends all bytes.
    fn append(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Truncates or extends the file to this size.
    fn truncate(&self, file: &Self::File, len: u64) -> io::Result<()>;

    /// `fchmod`.
    fn set_mode(&self, file: &Self::File, mode: u32) -> io::Result<()>;

    /// `fstat`.
    fn file_stamp(&self, file: &Self::File) -> io::Result<Stamp>;

    /// `fsync`: on return, the file's content survives a power cut.
    fn sync(&self, file: &Self::File) -> impl Future<Output = io::Result<()>> + 'static;

    /// Returns when no sync of this thread is running, or after 50 ms, so that the next operation does not wait for the disk.
    fn calm(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// `fsync` of a folder: on return, its names survive a power cut.
    fn sync_folder(&self, folder: &Path) -> impl Future<Output = io::Result<()>> + 'static;
}

/// Why a file cannot be replaced although its folder is writable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file itself is a mount point (a bind mount): a rename over it fails with EBUSY.
    MountPoint,
    /// The file, or its folder, is immutable or append-only.
    Immutable,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link (only from [`FileSystem::link_stamp`]).
    Link,
    /// A FIFO, a socket, a device.
    Other,
}

/// What `stat` reports about a file: enough to tell whether it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file type.
    pub kind: FileKind,
    /// Device number.
    pub device: u64,
    /// Inode number. File systems may reuse it at once.
    pub inode: u64,
    /// When the inode was created, if known: distinguishes files that reuse an inode number.
    pub born: Option<SystemTime>,
    /// Last modification.
    pub modified: SystemTime,
    /// Last change of the inode (`st_ctime`): advances even if a writer sets the modification time back.
    pub changed: SystemTime,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits (`0o7777`).
    pub mode: u32,
    /// The owner's user id.
    pub owner: u32,
}

impl Stamp {
    /// Stays the same for the same file or folder, however often it is written, touched or renamed.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { device: self.device, inode: self.inode, born: self.born }
    }
}

/// The file's identity, independent of name and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}
