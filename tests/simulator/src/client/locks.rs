//! The client's locks: folders, taken by `mkdir`, dated by their holder.

use super::Process;
use crate::entry::key;
use crate::fault_schedule::SECOND;
use crate::world::FOLDER;
use claude_store::{EntryKey, FileSystem};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A refresh lock is stale when it was not dated for this long, a storage lock after the other (measured).
const REFRESH_STALE: u64 = 60 * SECOND;
const STORAGE_STALE: u64 = 15 * SECOND;

impl Process {
    /// The refresh lock: so many tries, 1 to 2 s apart (five: about 7 s); `None` where it stays held.
    pub(crate) async fn refresh_lock(&self, server: usize, tries: u32) -> Option<PathBuf> {
        let path = Path::new(FOLDER).join(EntryKey::new(key(server)).lock_name());
        for left in (0..tries).rev() {
            if self.take(&path, REFRESH_STALE) {
                return Some(path);
            }
            if left == 0 {
                break;
            }
            let pause = self.rng.borrow_mut().between(SECOND, 2 * SECOND);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        None
    }

    /// The storage lock: tried for 7.5 s; `None` where the client gives its write up.
    pub(crate) async fn storage_lock(&self) -> Option<PathBuf> {
        let path = Path::new(FOLDER).join(".storage-write.lock");
        for _ in 0..50 {
            if self.take(&path, STORAGE_STALE) {
                return Some(path);
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        None
    }

    fn take(&self, path: &Path, stale: u64) -> bool {
        if self.disk.create_folder(path, 0o755).is_ok() {
            return true;
        }
        let Ok(stamp) = self.disk.link_stamp(path) else { return false };
        // One dated ahead is never stolen by it.
        let old = self
            .disk
            .now()
            .duration_since(stamp.modified)
            .is_ok_and(|age| age > Duration::from_millis(stale));
        old && self.disk.remove_folder(path).is_ok() && self.disk.create_folder(path, 0o755).is_ok()
    }

    pub(crate) fn release(&self, lock: Option<PathBuf>) {
        if let Some(lock) = lock {
            // Somebody may have taken it away.
            let _ = self.disk.remove_folder(&lock);
        }
    }

    /// Dates a held lock every 5 s, for as long as `work` takes.
    pub(super) async fn holding<T>(&self, lock: Option<&PathBuf>, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_secs(5)) => {
                    if let Some(lock) = lock {
                        let _ = self.disk.touch(lock);
                    }
                }
            }
        }
    }
}
