use super::Process;
use crate::entry::{Change, changed, document};
use crate::world::{FOLDER, NEEDS_AUTH, STORE};
use claude_store::FileSystem;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::time::Duration;
use virtual_disk::{VirtualDisk, VirtualFile};

impl Process {
    /// Writes one change as this version does; false where it was given up. `basis` is the document as it was read before the request:
    /// now and then an old version writes that one back, with its own change.
    pub(crate) async fn write(&self, server: usize, change: &Change, basis: Option<&Value>) -> bool {
        let lock = if self.version.storage_lock {
            match self.storage_lock().await {
                Some(lock) => Some(lock),
                None => return false,
            }
        } else {
            None
        };
        let written = self.write_now(server, change, basis).await;
        self.release(lock);
        if written.is_ok() {
            let world = &self.world;
            world.wrong_clock.borrow_mut()[server] = world.clock_error.get() != 0;
            if let Change::Tokens { pair, .. } = change {
                world.servers[server].saved(pair);
            }
            world.store_changed();
        }
        written.is_ok()
    }

    async fn write_now(&self, server: usize, change: &Change, basis: Option<&Value>) -> io::Result<()> {
        let world = &self.world;
        let now = document(world);
        let stale = self.version.in_place && self.rng.borrow_mut().chance(0.1);
        let from = if stale { basis.or(now.as_deref()) } else { now.as_deref() };
        // One that cannot be read is begun anew.
        let empty = json!({});
        let bytes = serde_json::to_vec(&changed(from.unwrap_or(&empty), server, change))?;
        let path = Path::new(STORE);
        if self.version.in_place {
            let file = self.disk.open_to_append(path)?;
            // A kill in between would leave half a document; that is one system call, and not drawn out here.
            let whole = InPlace { disk: &self.disk, file, bytes: &bytes };
            self.disk.truncate(&whole.file, 0)?;
            let _ = self.disk.append(&whole.file, &bytes[..bytes.len() / 2]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else {
            let number = self.rng.borrow_mut().next();
            let beside = Path::new(FOLDER).join(format!(".credentials.json.tmp.{:08x}", number >> 32));
            let file = self.disk.create_file(&beside, 0o600)?;
            let renamed = self.disk.append(&file, &bytes).and_then(|()| self.disk.rename(&beside, path));
            if renamed.is_err() {
                let _ = self.disk.remove_file(&beside);
            }
            renamed?;
        }
        world.account.borrow_mut().client_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Takes note that a server needs a log-in.
    pub(super) fn flag(&self, server: usize) {
        let text = self.disk.bytes(NEEDS_AUTH);
        let mut flags: Value =
            text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_else(|| json!({}));
        flags[format!("s{server}")] = json!({"timestamp": self.world.wall()});
        self.disk.put(NEEDS_AUTH, flags.to_string());
    }
}

/// A write over the document that is half done; done when dropped.
struct InPlace<'a> {
    disk: &'a VirtualDisk,
    file: VirtualFile,
    bytes: &'a [u8],
}

impl Drop for InPlace<'_> {
    fn drop(&mut self) {
        let written =
            self.disk.truncate(&self.file, 0).and_then(|()| self.disk.append(&self.file, self.bytes));
        if written.is_err() {
            // A full disk would take the whole document from it; what it does then was not measured.
            self.disk.put(STORE, self.bytes);
        }
    }
}
