use super::{LockError, Locks, Sighting};
use crate::FileSystem;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

impl<F: FileSystem> Locks<F> {
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
    name.push(format!(".stale.{:08x}", crate::random::random_u32()));
    PathBuf::from(name)
}
