use crate::VirtualDisk;
use crate::nodes::{Body, Disk, ROOT};
use claude_store::Obstacle;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// External changes by a test: durable at once, invisible to hooks and traces, without permission checks.
impl VirtualDisk {
    /// Writes a file (0600) as another program would, in place if it exists; creates its folders (0700).
    pub fn put(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let disk = &mut *self.disk.borrow_mut();
        let content = Rc::new(content.as_ref().to_vec());
        let node = if let Ok(node) = disk.find(path.as_ref(), true) {
            node
        } else {
            self.make(disk, path.as_ref(), Body::empty_file(), 0o600)
        };
        let now = disk.clock.now();
        let node = disk.node_mut(node);
        node.body = Body::File { data: Rc::clone(&content), durable: Some(content), reserved: 0 };
        (node.modified, node.changed) = (now, now);
    }

    /// Creates a folder (0700) and its parents.
    pub fn put_folder(&self, path: impl AsRef<Path>) {
        self.folder(&mut self.disk.borrow_mut(), path.as_ref());
    }

    /// Creates a symbolic link at `path`.
    pub fn put_link(&self, path: impl AsRef<Path>, target: impl Into<PathBuf>) {
        let body = Body::Link { target: target.into() };
        self.make(&mut self.disk.borrow_mut(), path.as_ref(), body, 0o777);
    }

    /// Creates a FIFO.
    pub fn put_fifo(&self, path: impl AsRef<Path>) {
        self.make(&mut self.disk.borrow_mut(), path.as_ref(), Body::Fifo, 0o600);
    }

    /// Removes a name and everything below it.
    pub fn take_away(&self, path: impl AsRef<Path>) {
        let disk = &mut *self.disk.borrow_mut();
        let Ok(place) = disk.walk(path.as_ref(), false) else { return };
        if place.node.is_some() {
            disk.unlink(place.folder, &place.name);
            set_durable(disk, place.folder, &place.name, None);
        }
    }

    /// A file's content (follows links); `None` if there is no file.
    #[must_use]
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let disk = self.disk.borrow();
        match &disk.node(disk.find(path.as_ref(), true).ok()?).body {
            Body::File { data, .. } => Some(data.to_vec()),
            _ => None,
        }
    }

    /// A file's content as text.
    ///
    /// # Panics
    /// The content is not UTF-8.
    #[must_use]
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8(bytes).expect("the file holds text"))
    }

    /// Whether a name exists (does not follow links).
    #[must_use]
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.disk.borrow().find(path.as_ref(), false).is_ok()
    }

    /// The names in a folder, sorted; none if it is missing.
    #[must_use]
    pub fn names_in(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let disk = self.disk.borrow();
        let folder = disk.find(folder.as_ref(), true).ok();
        let names = folder.and_then(|folder| disk.names(folder).ok());
        names
            .into_iter()
            .flat_map(|names| names.keys())
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    /// Sets permission bits.
    ///
    /// # Panics
    /// The path does not exist.
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) {
        let disk = &mut *self.disk.borrow_mut();
        let node = disk.find(path.as_ref(), true).expect("the path exists");
        disk.node_mut(node).mode = mode;
    }

    /// Changes a file's owner.
    ///
    /// # Panics
    /// The path does not exist.
    pub fn chown(&self, path: impl AsRef<Path>, owner: u32) {
        let disk = &mut *self.disk.borrow_mut();
        let node = disk.find(path.as_ref(), true).expect("the path exists");
        disk.node_mut(node).owner = owner;
    }

    /// Sets the date of a file or folder.
    ///
    /// # Panics
    /// The path does not exist.
    pub fn date(&self, path: impl AsRef<Path>, modified: SystemTime) {
        let disk = &mut *self.disk.borrow_mut();
        let node = disk.find(path.as_ref(), false).expect("the path exists");
        disk.node_mut(node).modified = modified;
    }

    /// Steps the wall clock forward: the machine was suspended, or somebody set the clock.
    pub fn step_clock_forward(&self, by: Duration) {
        self.disk.borrow_mut().clock.forward(by);
    }

    /// Steps the wall clock back.
    pub fn step_clock_backward(&self, by: Duration) {
        self.disk.borrow_mut().clock.backward(by);
    }

    /// Mounts the disk read-only, or writable again.
    pub fn set_read_only(&self, read_only: bool) {
        self.disk.borrow_mut().read_only = read_only;
    }

    /// Leaves so many bytes free; `None` for plenty.
    pub fn set_free(&self, free: Option<u64>) {
        self.disk.borrow_mut().free = free;
    }

    /// Whether room can be reserved (`fallocate`).
    pub fn set_can_reserve(&self, can_reserve: bool) {
        self.disk.borrow_mut().can_reserve = can_reserve;
    }

    /// How long every sync takes.
    pub fn set_sync_time(&self, sync_time: Duration) {
        self.disk.borrow_mut().sync_time = sync_time;
    }

    /// Gives numbers of removed files and folders to new ones at once, as ext4 does.
    pub fn reuse_inodes(&self) {
        self.disk.borrow_mut().spare.get_or_insert_default();
    }

    /// Does not say when an inode was created, as on many network file systems.
    pub fn forget_births(&self) {
        self.disk.borrow_mut().tells_births = false;
    }

    /// Makes a file a mount point or immutable, or takes that away.
    pub fn set_obstacle(&self, path: impl Into<PathBuf>, obstacle: Option<Obstacle>) {
        let disk = &mut *self.disk.borrow_mut();
        match obstacle {
            Some(obstacle) => disk.obstacles.insert(path.into(), obstacle),
            None => disk.obstacles.remove(&path.into()),
        };
    }

    /// The user that this process runs as.
    pub fn set_user(&self, user: u32) {
        self.process.user.set(user);
    }

    fn make(&self, disk: &mut Disk, path: &Path, body: Body, mode: u32) -> u64 {
        let folder = path.parent().map_or(ROOT, |folder| self.folder(disk, folder));
        let name = path.file_name().expect("the path ends in a name");
        assert!(!disk.names(folder).is_ok_and(|names| names.contains_key(name)), "{} exists", path.display());
        let node = disk.make(body, mode, self.process.user.get());
        disk.link(folder, name, node);
        set_durable(disk, folder, name, Some(node));
        node
    }

    fn folder(&self, disk: &mut Disk, path: &Path) -> u64 {
        if let Ok(node) = disk.find(path, true) {
            return node;
        }
        match path.components().next_back() {
            None | Some(Component::RootDir) => ROOT,
            _ => self.make(disk, path, Body::empty_folder(), 0o700),
        }
    }
}

/// Makes one name of a folder durable as it is.
pub(crate) fn set_durable(disk: &mut Disk, folder: u64, name: &OsStr, node: Option<u64>) {
    if let Some(node) = node {
        disk.hold(node);
    }
    let before = match &mut disk.node_mut(folder).body {
        Body::Folder { durable, .. } => match node {
            Some(node) => durable.insert(OsString::from(name), node),
            None => durable.remove(name),
        },
        _ => None,
    };
    if let Some(before) = before {
        disk.let_go(before);
    }
}
