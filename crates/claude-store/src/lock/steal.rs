use super::{LockError, Locks, Sighting};
use crate::{EntryKey, FileSystem, Identity};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use tokio::time::Instant;

impl<F: FileSystem> Locks<F> {
    /// Removes the refresh lock that an earlier process of ours, dead for certain, left behind: it is known by its identity, so
    /// nobody has to wait until it looks dead. Returns whether it was there. A lock of anybody else stays.
    ///
    /// # Errors
    /// The lock cannot be looked at or taken away.
    pub fn remove_left_over(&self, key: &EntryKey, left: Identity) -> Result<bool, LockError> {
        let path = self.folder().join(key.lock_name());
        match self.shared.files.link_stamp(&path) {
            Ok(stamp) if stamp.identity() == left => {
                let dead = Sighting { identity: left, modified: stamp.modified, since: Instant::now() };
                self.steal(&path, dead).map(|()| true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(LockError::Io { path, source }),
        }
    }

    /// Takes a dead holder's lock away; the caller then makes its own, as everybody else may.
    ///
    /// Renamed first and looked at afterwards: between a look and a removal the lock could have become somebody's live one. Such a
    /// one is put back, unless its place is taken already; then its holder finds out by its inode.
    pub(super) fn steal(&self, path: &Path, dead: Sighting) -> Result<(), LockError> {
        let files = &self.shared.files;
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let aside = aside(path);
        match files.rename_exclusive(path, &aside) {
            Ok(()) => {}
            // Another waiter was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed(source)),
        }
        let taken = files.link_stamp(&aside).map_err(failed)?;
        if dead.is_of(&taken) {
            self.discard(&aside);
            return Ok(());
        }
        match files.rename_exclusive(&aside, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.discard(&aside);
                Ok(())
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// Removes a stolen lock and whatever lies in it. A rest that stays is in nobody's way.
    fn discard(&self, aside: &Path) {
        let files = &self.shared.files;
        if files.remove_folder(aside).is_ok() {
            return;
        }
        for name in files.list(aside).unwrap_or_default() {
            let _ = files.remove_file(&aside.join(name));
        }
        let _ = files.remove_folder(aside);
    }
}

/// A name that no other process takes for a lock.
fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".stale.{:08x}", crate::file_system::random::random_u32()));
    PathBuf::from(name)
}
