//! What other programs, and people, do to the store in the middle of a transaction.

use super::fault::{Another, ForeignLock};
use super::fault_injector::FaultInjector;
use super::follow_up::FollowUp;
use crate::entry::{Change, changed, key};
use crate::fault_schedule::{HOUR, MINUTE};
use crate::world::{FOLDER, STORE};
use claude_store::{EntryKey, FileSystem};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

impl FaultInjector {
    pub(crate) fn another(&self, another: Another) {
        match another {
            Another::Refreshes { locked } => self.follow(FollowUp::Client { locked }),
            Another::WritesOld { in_place } => {
                let document: Value = serde_json::from_slice(&self.document).unwrap_or_default();
                let old = changed(&document, 0, &Change::Edit(1)).to_string();
                if in_place {
                    self.world.disk.borrow().put(STORE, old);
                } else {
                    let _ = self.replace(old.as_bytes());
                }
                self.wrote();
            }
            Another::WritesHalf(after) => self.write_half(after),
            Another::Wipes => drop(self.change(&Change::Wipe)),
            Another::LogsOut { stub } => {
                // On a disk that takes nothing the client cannot log out either.
                if !self.change(&Change::Remove) {
                    return;
                }
                self.world.logged_out.borrow_mut()[0] = true;
                if let Some(after) = stub {
                    self.follow(FollowUp::Stub(after));
                }
            }
            Another::Edits => drop(self.change(&Change::Edit(1))),
            Another::Locks { storage, lock } => self.lock(storage, lock),
        }
    }

    /// What `mcp list` writes after a logout.
    pub(crate) fn leave_stub(&self) {
        let _ = self.change(&Change::LoggedOutStub { wall: self.world.wall() });
    }

    /// Whether it could be written.
    fn change(&self, change: &Change) -> bool {
        let read = self.world.disk.borrow().bytes(STORE);
        let Some(document) = read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) else {
            return false;
        };
        let written = self.replace(changed(&document, 0, change).to_string().as_bytes());
        self.wrote();
        written
    }

    fn wrote(&self) {
        self.follow(FollowUp::Told);
    }

    /// As a client writes: beside, and then into its place.
    fn replace(&self, bytes: &[u8]) -> bool {
        let disk = self.world.disk.borrow();
        let beside = Path::new("/c/.credentials.json.tmp.another");
        let written = disk
            .create_file(beside, 0o600)
            .and_then(|file| disk.append(&file, bytes))
            .and_then(|()| disk.rename(beside, Path::new(STORE)))
            .is_ok();
        if !written {
            // A full disk: the other program gives it up.
            let _ = disk.remove_file(beside);
        }
        written
    }

    fn write_half(&self, after: u64) {
        let disk = self.world.disk.borrow().clone();
        let Some(read) = disk.bytes(STORE) else { return };
        let Ok(document) = serde_json::from_slice::<Value>(&read) else { return };
        let bytes = changed(&document, 0, &Change::Edit(1)).to_string().into_bytes();
        let Ok(file) = disk.open_to_append(Path::new(STORE)) else { return };
        let half = bytes.len() / 2;
        // On a disk that takes nothing the old document stays.
        if disk.truncate(&file, 0).is_err() {
            return;
        }
        if disk.append(&file, &bytes[..half]).is_err() {
            return drop(disk.append(&file, &read));
        }
        self.follow(FollowUp::Rest { disk, file, bytes: bytes[half..].to_vec(), after });
        self.wrote();
    }

    fn lock(&self, storage: bool, lock: ForeignLock) {
        let name = if storage { ".storage-write.lock".to_owned() } else { EntryKey::new(key(0)).lock_name() };
        let path: PathBuf = Path::new(FOLDER).join(name);
        let disk = self.world.disk.borrow();
        let now = disk.now();
        match lock {
            ForeignLock::File => {
                if disk.create_file(&path, 0o600).is_ok() {
                    self.follow(FollowUp::RemoveFile(path));
                }
            }
            // Another lock is there already.
            _ if disk.create_folder(&path, 0o755).is_err() => {}
            ForeignLock::Held(for_) => self.follow(FollowUp::KeepLock { path, for_ }),
            ForeignLock::Stale => disk.date(&path, now - Duration::from_millis(2 * MINUTE)),
            ForeignLock::Ahead => disk.date(&path, now + Duration::from_millis(HOUR)),
        }
    }
}
