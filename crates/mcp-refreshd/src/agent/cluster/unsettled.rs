//! Which grants this machine has on their way, on its own disk: a move that is cut off is settled later, if need be at the next start. In etcd a
//! move bears the machine's name alone, which another machine may have by mistake.

use crate::settings::state_file;
use claude_store::EntryKey;
use compact::Set;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "moving.json";

/// The grants whose move has begun and is not known to have ended.
#[derive(Debug)]
pub(super) struct Unsettled {
    path: PathBuf,
}

impl Unsettled {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE) }
    }

    /// All of them. A file that is damaged names none: their moves are repeated by hand.
    pub(super) fn all(&self) -> Set<EntryKey> {
        let keys = fs::read(&self.path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        keys.into_iter().flat_map(|keys: Vec<String>| keys).map(EntryKey::new).collect()
    }

    /// Notes that a move begins.
    ///
    /// # Errors
    /// The file system refuses.
    pub(super) fn note(&self, key: &EntryKey) -> io::Result<()> {
        let mut keys = self.all();
        if keys.insert(key.clone()) { self.save(&keys) } else { Ok(()) }
    }

    /// Notes that a move has ended.
    pub(super) fn forget(&self, key: &EntryKey) {
        let mut keys = self.all();
        if keys.remove(key)
            && let Err(error) = self.save(&keys)
        {
            // What has ended is found so at the next start.
            tracing::debug!("{}: {error}", self.path.display());
        }
    }

    fn save(&self, keys: &Set<EntryKey>) -> io::Result<()> {
        let keys: Vec<_> = keys.iter().map(EntryKey::as_str).collect();
        state_file::replace(&self.path, &serde_json::to_vec(&keys)?)
    }
}
