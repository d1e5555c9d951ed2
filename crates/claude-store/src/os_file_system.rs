mod sync_pool;

use crate::{FileSystem, Obstacle, Stamp, platform};
use oauth_secret::SecretBytes;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::future::Future;
use std::io::{self, Read};
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
    let file = platform::open_to_read(path)?;
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
        let stamp = platform::file_stamp(&file)?;
        if stamp.size > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let size = usize::try_from(stamp.size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // Allocate once: a growing buffer would leave copies of tokens behind.
        let mut bytes = SecretBytes::with_capacity(size + 64);
        (&mut file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok((bytes, stamp))
    }

    fn reader(&self, path: &Path, limit: u64) -> io::Result<Box<dyn io::Read>> {
        let file = open_regular(path)?;
        if file.metadata()?.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Box::new(io::BufReader::with_capacity(READ_AT_ONCE, file.take(limit))))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        platform::stamp(path)
    }

    fn link_stamp(&self, path: &Path) -> io::Result<Stamp> {
        platform::link_stamp(path)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        platform::resolve(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        platform::create_folder(path, mode)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        platform::rename(from, to)
    }

    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()> {
        platform::rename_exclusive(from, to)
    }

    fn user(&self) -> u32 {
        platform::user()
    }

    fn obstacle(&self, path: &Path) -> io::Result<Option<Obstacle>> {
        platform::obstacle(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        // The local clock, even on a network file system: the client uses it to judge a lock's age.
        platform::touch(path, self.now())
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Self::File> {
        platform::create_file(path, mode).map(Arc::new)
    }

    fn open_to_append(&self, path: &Path) -> io::Result<Self::File> {
        let file = platform::open_to_append(path)?;
        regular(&file.metadata()?)?;
        Ok(Arc::new(file))
    }

    fn reserve(&self, file: &Self::File, len: u64) -> io::Result<()> {
        platform::reserve(file, len)
    }

    fn append(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()> {
        platform::append(file, bytes)
    }

    fn truncate(&self, file: &Self::File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn set_mode(&self, file: &Self::File, mode: u32) -> io::Result<()> {
        platform::set_mode(file, mode)
    }

    fn file_stamp(&self, file: &Self::File) -> io::Result<Stamp> {
        platform::file_stamp(file)
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
        sync_pool::run(move || platform::sync_folder(&folder))
    }
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(test)]
mod tests;
