use crate::VirtualDisk;
use crate::nodes::{Body, Disk};
use claude_store::{FileKind, FileSystem, Obstacle};
use std::io;
use std::path::Path;

impl VirtualDisk {
    pub(crate) async fn wait_for_medium(&self) -> io::Result<()> {
        let time = self.disk.borrow().sync_time;
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        self.alive()
    }

    pub(crate) fn create(&self, path: &Path, body: Body, mode: u32) -> io::Result<u64> {
        let disk = &mut *self.disk.borrow_mut();
        let place = disk.walk(path, false)?;
        place.free()?;
        may_change(disk, place.folder, self.user())?;
        let node = disk.make(body, mode & 0o7777, self.user());
        disk.link(place.folder, &place.name, node);
        Ok(node)
    }

    pub(crate) fn rename_checked(&self, from: &Path, to: &Path, exclusive: bool) -> io::Result<()> {
        let disk = &mut *self.disk.borrow_mut();
        let (from, to) = (disk.walk(from, false)?, disk.walk(to, false)?);
        let moved = from.found()?;
        if exclusive {
            to.free()?;
        }
        if to.node == Some(moved) {
            return Ok(());
        }
        if to.path.starts_with(&from.path) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if from.path.starts_with(&to.path) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        may_change(disk, from.folder, self.user())?;
        may_change(disk, to.folder, self.user())?;
        match disk.obstacles.get(&to.path) {
            Some(Obstacle::MountPoint) => return Err(io::ErrorKind::ResourceBusy.into()),
            Some(Obstacle::Immutable) => return Err(io::ErrorKind::PermissionDenied.into()),
            None => {}
        }
        if let Some(replaced) = to.node {
            let is_folder = |node| disk.stamp(node).kind == FileKind::Folder;
            match (is_folder(moved), is_folder(replaced)) {
                (false, true) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, false) => return Err(io::ErrorKind::NotADirectory.into()),
                (true, true) if !disk.names(replaced)?.is_empty() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
            disk.unlink(to.folder, &to.name);
        }
        disk.link(to.folder, &to.name, moved);
        disk.unlink(from.folder, &from.name);
        Ok(())
    }
}

/// Whether names in this folder may be changed.
pub(crate) fn may_change(disk: &Disk, folder: u64, user: u32) -> io::Result<()> {
    disk.writable()?;
    disk.allow(folder, user, 2)
}

/// A file's size and the room reserved for it.
pub(crate) fn sizes(disk: &Disk, node: u64) -> (u64, u64) {
    match &disk.node(node).body {
        Body::File { data, reserved, .. } => (data.len() as u64, *reserved),
        _ => (0, 0),
    }
}
