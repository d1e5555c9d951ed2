pub(crate) mod random;
pub(crate) mod twice;

use oauth_secret::SecretBytes;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the store, the locks and the journal need from a file system.
///
/// Calls that a local file system answers from memory (`stat`, `mkdir`, `rename`, small writes) are plain functions and
/// run on the caller's thread. Only [`sync`](Self::sync) and [`sync_folder`](Self::sync_folder) wait for the medium; they are
/// futures, so that a slow disk never holds up the loop that feeds the watchdog. [`OsFileSystem`](crate::OsFileSystem) is the
/// real one; tests bring one in memory, with virtual time, faults and power cuts.
pub trait FileSystem: Clone + 'static {
    /// An open file.
    type File: 'static;

    /// The clock that dates files here; lock ages are measured with it.
    fn now(&self) -> SystemTime;

    /// The whole content of a regular file (links are followed). Anything but a regular file is refused with
    /// [`io::ErrorKind::InvalidInput`] without blocking (a FIFO, a folder, a device); more than `limit` bytes with
    /// [`io::ErrorKind::FileTooLarge`].
    fn read(&self, path: &Path, limit: u64) -> io::Result<(SecretBytes, Stamp)>;

    /// The same bit by bit, for large files of which little is wanted. Nothing secret should be in them: what is read is not wiped.
    fn reader(&self, path: &Path, limit: u64) -> io::Result<Box<dyn io::Read>> {
        let (bytes, _) = self.read(path, limit)?;
        Ok(Box::new(io::Cursor::new(bytes.to_vec())))
    }

    /// `stat`: follows links.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// `lstat`: describes a link itself.
    fn link_stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// The path with every link resolved; fails if anything on it is missing.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// The names in a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// `mkdir` of one level with this mode; [`io::ErrorKind::AlreadyExists`] when anything is there already.
    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// `rmdir`.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// `unlink`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// `rename`, which replaces a file at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// `rename` that replaces nothing: [`io::ErrorKind::AlreadyExists`] when anything is at `to`, even an empty folder.
    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The user id that files made here belong to.
    fn user(&self) -> u32;

    /// What would make a rename over this file, or within this folder, fail although everything else is well; `None` where nothing
    /// is known to.
    fn obstacle(&self, path: &Path) -> io::Result<Option<Obstacle>>;

    /// Dates a file or folder (not a link's target) to [`now`](Self::now).
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Makes a new file (`O_CREAT | O_EXCL | O_NOFOLLOW`) with this mode, whatever the umask.
    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Self::File>;

    /// Opens an existing regular file for reading and appending; never follows a link.
    fn open_to_append(&self, path: &Path) -> io::Result<Self::File>;

    /// Allocates room for `len` bytes from the file's start without changing its size, so that a later write cannot fail
    /// for want of room. Where the file system cannot do that, says so with [`io::ErrorKind::Unsupported`].
    fn reserve(&self, file: &Self::File, len: u64) -> io::Result<()>;

    /// Writes all bytes at the file's end.
    fn append(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Cuts or extends the file to this size.
    fn truncate(&self, file: &Self::File, len: u64) -> io::Result<()>;

    /// `fchmod`.
    fn set_mode(&self, file: &Self::File, mode: u32) -> io::Result<()>;

    /// `fstat`.
    fn file_stamp(&self, file: &Self::File) -> io::Result<Stamp>;

    /// `fsync`: when it has returned, the file's content survives a power cut.
    fn sync(&self, file: &Self::File) -> impl Future<Output = io::Result<()>> + 'static;

    /// Returns when none of this thread's syncs is under way, or after a twentieth of a second: what comes next does not wait for the medium.
    fn calm(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// `fsync` of a folder: when it has returned, the names in it survive a power cut.
    fn sync_folder(&self, folder: &Path) -> impl Future<Output = io::Result<()>> + 'static;
}

/// Why a file cannot be replaced although its folder can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file itself is a mount point (a bind mount): a rename over it gives EBUSY.
    MountPoint,
    /// The file, or its folder, is immutable or append-only.
    Immutable,
}

/// What kind of thing a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link (only seen by [`FileSystem::link_stamp`]).
    Link,
    /// A FIFO, a socket, a device.
    Other,
}

impl FileKind {
    /// The kind that the system says.
    pub(crate) fn of(kind: std::fs::FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Folder
        } else if kind.is_symlink() {
            Self::Link
        } else {
            Self::Other
        }
    }
}

/// What `stat` says of a file: enough to know whether it is still the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The kind of thing it is.
    pub kind: FileKind,
    /// Device number.
    pub device: u64,
    /// Inode number. A file system may give it to a new file as soon as the old one is gone.
    pub inode: u64,
    /// When the inode was made, where the file system knows: tells a new file from an old one with the same number.
    pub born: Option<SystemTime>,
    /// Last modification.
    pub modified: SystemTime,
    /// Last change of the inode (`st_ctime`): moves even where a writer puts the modification time back.
    pub changed: SystemTime,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits (`0o7777`).
    pub mode: u32,
    /// The owner's user id.
    pub owner: u32,
}

impl Stamp {
    /// What stays the same as long as it is the same file or folder, however often that is written, dated or renamed.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { device: self.device, inode: self.inode, born: self.born }
    }
}

/// Which file or folder it is, whatever its name and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}
