mod sync_pool;

use crate::{FileKind, FileSystem, Obstacle, Stamp, platform};
use oauth_secret::SecretBytes;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawMode, Timespec, Timestamps};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use sync_pool::nothing_under_way;

/// Long enough for one or two syncs on a healthy disk, and no longer: the pair that waits here is not visible yet. If the server
/// has already revoked the old access token, a session that calls in the gap spends the old refresh token.
const CALM_PATIENCE: Duration = Duration::from_millis(50);

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFileSystem;

/// How much of a large file is read at once.
const READ_AT_ONCE: usize = 64 << 10;

/// Opens a regular file without blocking; refuses anything else.
fn open_regular(path: &Path) -> io::Result<File> {
    // Check before opening: opening a device may have side effects.
    regular(&std::fs::metadata(path)?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    regular(&file.metadata()?)?;
    Ok(file)
}

impl FileSystem for OsFileSystem {
    type File = Arc<File>;

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<(SecretBytes, Stamp)> {
        let mut file = open_regular(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let size = usize::try_from(metadata.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // Allocate once: a growing buffer would leave copies of tokens behind.
        let mut bytes = SecretBytes::with_capacity(size + 64);
        (&mut file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok((bytes, stamp(&metadata)))
    }

    fn reader(&self, path: &Path, limit: u64) -> io::Result<Box<dyn io::Read>> {
        let file = open_regular(path)?;
        if file.metadata()?.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Box::new(io::BufReader::with_capacity(READ_AT_ONCE, file.take(limit))))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        std::fs::metadata(path).map(|metadata| stamp(&metadata))
    }

    fn link_stamp(&self, path: &Path) -> io::Result<Stamp> {
        std::fs::symlink_metadata(path).map(|metadata| stamp(&metadata))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(mode).create(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()> {
        platform::rename_exclusive(from, to)
    }

    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn obstacle(&self, path: &Path) -> io::Result<Option<Obstacle>> {
        platform::obstacle(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        // The local clock, even on a network file system: the client uses it to judge a lock's age.
        let now = self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Timespec {
            tv_sec: now.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: now.subsec_nanos().into(),
        };
        let both = Timestamps { last_access: now, last_modification: now };
        Ok(rustix::fs::utimensat(CWD, path, &both, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Self::File> {
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::APPEND
            | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode((mode & 0o777) as RawMode))?);
        // The umask may have removed bits.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        Ok(Arc::new(file))
    }

    fn open_to_append(&self, path: &Path) -> io::Result<Self::File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::APPEND | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        regular(&file.metadata()?)?;
        Ok(Arc::new(file))
    }

    fn reserve(&self, file: &Self::File, len: u64) -> io::Result<()> {
        platform::reserve(file, len)
    }

    fn append(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()> {
        (&**file).write_all(bytes)
    }

    fn truncate(&self, file: &Self::File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn set_mode(&self, file: &Self::File, mode: u32) -> io::Result<()> {
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    }

    fn file_stamp(&self, file: &Self::File) -> io::Result<Stamp> {
        file.metadata().map(|metadata| stamp(&metadata))
    }

    fn sync(&self, file: &Self::File) -> impl Future<Output = io::Result<()>> + 'static {
        let file = Arc::clone(file);
        sync_pool::run(move || platform::sync(&file))
    }

    async fn calm(&self) {
        // Better late than never.
        let _ = tokio::time::timeout(CALM_PATIENCE, nothing_under_way()).await;
    }

    fn sync_folder(&self, folder: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let folder = folder.to_owned();
        sync_pool::run(move || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = File::from(rustix::fs::open(&folder, flags, Mode::empty())?);
            match platform::sync(&folder) {
                // Some file systems do not support fsync on a folder (fsync(2)); there is nothing to wait for.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
                synced => synced,
            }
        })
    }
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    let kind = metadata.file_type();
    Stamp {
        kind: if kind.is_file() {
            FileKind::File
        } else if kind.is_dir() {
            FileKind::Folder
        } else if kind.is_symlink() {
            FileKind::Link
        } else {
            FileKind::Other
        },
        device: metadata.dev(),
        inode: metadata.ino(),
        born: metadata.created().ok(),
        modified: moment(metadata.mtime(), metadata.mtime_nsec()),
        changed: moment(metadata.ctime(), metadata.ctime_nsec()),
        size: metadata.len(),
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
    }
}

/// Seconds may be negative (before 1970); nanoseconds never are.
fn moment(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = SystemTime::UNIX_EPOCH;
    let whole = if seconds < 0 { start.checked_sub(whole) } else { start.checked_add(whole) };
    let part = Duration::from_nanos(nanoseconds.unsigned_abs());
    whole.and_then(|moment| moment.checked_add(part)).unwrap_or(start)
}

#[cfg(test)]
mod tests;
