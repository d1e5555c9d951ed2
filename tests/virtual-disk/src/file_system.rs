use crate::changes::{may_change, sizes};
use crate::nodes::{Body, Disk};
use crate::process::{Operation, VirtualDisk};
use crate::set_up::set_durable;
use claude_store::{FileKind, FileSystem, Obstacle, Stamp};
use oauth_secret::SecretBytes;
use std::cell::RefCell;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

/// An open file of a [`VirtualDisk`].
pub struct VirtualFile {
    disk: Rc<RefCell<Disk>>,
    node: u64,
    path: PathBuf,
}

impl VirtualFile {
    fn open(disk: &VirtualDisk, node: u64, path: &Path) -> Self {
        disk.disk.borrow_mut().hold(node);
        Self { disk: Rc::clone(&disk.disk), node, path: path.to_owned() }
    }
}

impl Drop for VirtualFile {
    fn drop(&mut self) {
        self.disk.borrow_mut().let_go(self.node);
    }
}

impl std::fmt::Debug for VirtualFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl FileSystem for VirtualDisk {
    type File = VirtualFile;

    fn now(&self) -> SystemTime {
        self.disk.borrow().clock.now()
    }

    fn user(&self) -> u32 {
        self.process.user.get()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<(SecretBytes, Stamp)> {
        self.begin(Operation::Read, path, None)?;
        let disk = self.disk.borrow();
        let node = disk.find(path, true)?;
        let Body::File { data, .. } = &disk.node(node).body else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        disk.allow(node, self.user(), 4)?;
        if data.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok((SecretBytes::from(data.to_vec()), disk.stamp(node)))
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.begin(Operation::Stamp, path, None)?;
        let disk = self.disk.borrow();
        Ok(disk.stamp(disk.find(path, true)?))
    }

    fn link_stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.begin(Operation::LinkStamp, path, None)?;
        let disk = self.disk.borrow();
        Ok(disk.stamp(disk.find(path, false)?))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.begin(Operation::Resolve, path, None)?;
        let place = self.disk.borrow().walk(path, true)?;
        place.found()?;
        Ok(place.path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.begin(Operation::List, folder, None)?;
        let disk = self.disk.borrow();
        let node = disk.find(folder, true)?;
        disk.allow(node, self.user(), 4)?;
        Ok(disk.names(node)?.keys().cloned().collect())
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.begin(Operation::CreateFolder, path, None)?;
        self.create(path, Body::empty_folder(), mode).map(drop)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::RemoveFolder, path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        let place = disk.walk(path, false)?;
        if !disk.names(place.found()?)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        may_change(disk, place.folder, self.user())?;
        disk.unlink(place.folder, &place.name);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::RemoveFile, path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        let place = disk.walk(path, false)?;
        if disk.stamp(place.found()?).kind == FileKind::Folder {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        may_change(disk, place.folder, self.user())?;
        disk.unlink(place.folder, &place.name);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin(Operation::Rename, from, Some(to))?;
        self.rename_checked(from, to, false)
    }

    fn rename_exclusive(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin(Operation::RenameExclusive, from, Some(to))?;
        self.rename_checked(from, to, true)
    }

    fn obstacle(&self, path: &Path) -> io::Result<Option<Obstacle>> {
        self.begin(Operation::Obstacle, path, None)?;
        let disk = self.disk.borrow();
        disk.find(path, false)?;
        Ok(disk.obstacles.get(path).copied())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::Touch, path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        disk.writable()?;
        let node = disk.find(path, false)?;
        let now = disk.clock.now();
        let node = disk.node_mut(node);
        (node.modified, node.changed) = (now, now);
        Ok(())
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<VirtualFile> {
        self.begin(Operation::CreateFile, path, None)?;
        let node = self.create(path, Body::empty_file(), mode)?;
        Ok(VirtualFile::open(self, node, path))
    }

    fn open_to_append(&self, path: &Path) -> io::Result<VirtualFile> {
        self.begin(Operation::OpenToAppend, path, None)?;
        let node = {
            let disk = self.disk.borrow();
            let node = disk.find(path, false)?;
            match disk.stamp(node).kind {
                FileKind::File => {}
                FileKind::Link => return Err(io::Error::from_raw_os_error(40)), // ELOOP
                FileKind::Folder => return Err(io::ErrorKind::IsADirectory.into()),
                FileKind::Other => return Err(io::ErrorKind::InvalidInput.into()),
            }
            disk.allow(node, self.user(), 6)?;
            disk.writable()?;
            node
        };
        Ok(VirtualFile::open(self, node, path))
    }

    fn reserve(&self, file: &VirtualFile, len: u64) -> io::Result<()> {
        self.begin(Operation::Reserve, &file.path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        if !disk.can_reserve {
            return Err(io::ErrorKind::Unsupported.into());
        }
        disk.writable()?;
        let (size, reserved) = sizes(disk, file.node);
        disk.change_file(file.node, size, reserved.max(len), |_| {})
    }

    fn append(&self, file: &VirtualFile, bytes: &[u8]) -> io::Result<()> {
        self.begin(Operation::Append, &file.path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        disk.writable()?;
        let (size, reserved) = sizes(disk, file.node);
        let len = bytes.len() as u64;
        disk.change_file(file.node, size + len, reserved, |data| data.extend_from_slice(bytes))?;
        self.process.written.set(self.process.written.get() + len);
        Ok(())
    }

    fn truncate(&self, file: &VirtualFile, len: u64) -> io::Result<()> {
        self.begin(Operation::Truncate, &file.path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        disk.writable()?;
        let size = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        disk.change_file(file.node, len, 0, |data| data.resize(size, 0))
    }

    fn set_mode(&self, file: &VirtualFile, mode: u32) -> io::Result<()> {
        self.begin(Operation::SetMode, &file.path, None)?;
        let disk = &mut *self.disk.borrow_mut();
        disk.writable()?;
        disk.node_mut(file.node).mode = mode & 0o7777;
        Ok(())
    }

    fn file_stamp(&self, file: &VirtualFile) -> io::Result<Stamp> {
        self.begin(Operation::FileStamp, &file.path, None)?;
        Ok(self.disk.borrow().stamp(file.node))
    }

    fn sync(&self, file: &VirtualFile) -> impl Future<Output = io::Result<()>> + 'static {
        let begun = self.begin(Operation::Sync, &file.path, None);
        // Held open, and its content kept as it is now: what is written from here on is not part of this sync.
        let file = VirtualFile::open(self, file.node, &file.path);
        let now = match &self.disk.borrow().node(file.node).body {
            Body::File { data, .. } => Rc::clone(data),
            _ => Rc::default(),
        };
        let this = self.clone();
        async move {
            begun?;
            this.wait_for_medium().await?;
            if let Body::File { durable, .. } = &mut this.disk.borrow_mut().node_mut(file.node).body {
                *durable = Some(now);
            }
            Ok(())
        }
    }

    fn sync_folder(&self, folder: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let begun = self.begin(Operation::SyncFolder, folder, None);
        let names = self.disk.borrow().find(folder, true).and_then(|node| {
            let names = self.disk.borrow().names(node)?.clone();
            Ok((node, names))
        });
        let this = self.clone();
        async move {
            begun?;
            let (folder, names) = names?;
            this.wait_for_medium().await?;
            let disk = &mut *this.disk.borrow_mut();
            if !disk.nodes.contains_key(&folder) {
                return Ok(());
            }
            let Body::Folder { durable, .. } = disk.node(folder).body.clone() else { return Ok(()) };
            for name in durable.keys().filter(|name| !names.contains_key(*name)) {
                set_durable(disk, folder, name, None);
            }
            for (name, node) in &names {
                // One that was removed during the sync may be gone for good.
                if durable.get(name) != Some(node) && disk.nodes.contains_key(node) {
                    set_durable(disk, folder, name, Some(*node));
                }
            }
            Ok(())
        }
    }
}
