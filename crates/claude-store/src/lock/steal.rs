use super::sighting::STORAGE_LOCK;
use super::{LeftLock, LockError, Locks};
use crate::{EntryKey, FileSystem, Identity};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

impl<F: FileSystem> Locks<F> {
    /// Removes a refresh lock left behind by an earlier process of ours that is known to be dead. The lock is recognized by its
    /// identity, so there is no need to wait until it is stale. Returns whether it existed. Other processes' locks are left alone.
    ///
    /// # Errors
    /// The lock cannot be inspected or removed.
    pub fn remove_left_over(&self, key: &EntryKey, left: Identity) -> Result<bool, LockError> {
        self.remove_dead(&self.folder().join(key.lock_name()), |lock| lock.identity == left)
    }

    /// The same for the storage lock.
    ///
    /// # Errors
    /// The lock cannot be inspected or removed.
    pub fn remove_left_over_storage_lock(&self, left: LeftLock) -> Result<bool, LockError> {
        self.remove_dead(&self.folder().join(STORAGE_LOCK), |lock| *lock == left)
    }

    fn remove_dead(&self, path: &Path, is_dead: impl Fn(&LeftLock) -> bool) -> Result<bool, LockError> {
        match self.shared.files.link_stamp(path).map(|stamp| LeftLock::of(&stamp)) {
            Ok(lock) if is_dead(&lock) => self.steal(path, lock).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(LockError::Io { path: path.to_owned(), source }),
        }
    }

    /// Removes a dead holder's lock. The caller then competes for the lock like everyone else.
    ///
    /// Renames first and checks afterwards: between a check and a removal, the lock could have become another process's live one. In
    /// that case it is put back, unless a new lock exists by then; its holder notices by the inode.
    pub(super) fn steal(&self, path: &Path, dead: LeftLock) -> Result<(), LockError> {
        let files = &self.shared.files;
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let aside = aside(path);
        match files.rename_exclusive(path, &aside) {
            Ok(()) => {}
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed(source)),
        }
        let taken = files.link_stamp(&aside).map_err(failed)?;
        if dead == LeftLock::of(&taken) {
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

    /// Removes a stolen lock and its content. Leftovers are harmless.
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

/// A name that no process mistakes for a lock.
fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".stale.{:08x}", fastrand::u32(..)));
    PathBuf::from(name)
}
