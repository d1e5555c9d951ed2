use crate::clock::Clock;
use claude_store::{FileKind, Obstacle, Stamp};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

pub(crate) const ROOT: u64 = 2;

/// The disk itself, shared by all processes.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) clock: Clock,
    pub(crate) nodes: HashMap<u64, Node>,
    next: u64,
    /// Inode numbers to reuse, if the disk does that.
    pub(crate) spare: Option<Vec<u64>>,
    /// Free bytes; `None` means unlimited.
    pub(crate) free: Option<u64>,
    pub(crate) read_only: bool,
    pub(crate) can_reserve: bool,
    pub(crate) tells_births: bool,
    pub(crate) sync_time: Duration,
    pub(crate) obstacles: HashMap<PathBuf, Obstacle>,
}

/// An inode.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) body: Body,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) modified: SystemTime,
    pub(crate) changed: SystemTime,
    pub(crate) born: SystemTime,
    /// Visible names, durable names and open handles: the node is freed with the last of them.
    pub(crate) uses: usize,
}

/// Names in a folder.
pub(crate) type Names = BTreeMap<OsString, u64>;

#[derive(Clone)]
pub(crate) enum Body {
    File {
        data: Rc<Vec<u8>>,
        /// The content that would survive a power cut; `None` before the first sync.
        durable: Option<Rc<Vec<u8>>>,
        reserved: u64,
    },
    Folder {
        names: Names,
        /// The names that would survive a power cut.
        durable: Names,
    },
    Link {
        target: PathBuf,
    },
    Fifo,
}

impl Body {
    pub(crate) fn empty_file() -> Self {
        Self::File { data: Rc::default(), durable: None, reserved: 0 }
    }

    pub(crate) fn empty_folder() -> Self {
        Self::Folder { names: Names::new(), durable: Names::new() }
    }
}

impl Disk {
    pub(crate) fn new(base: SystemTime) -> Self {
        let mut disk = Self {
            clock: Clock::starting_at(base),
            nodes: HashMap::new(),
            next: ROOT,
            spare: None,
            free: None,
            read_only: false,
            can_reserve: true,
            tells_births: true,
            sync_time: Duration::ZERO,
            obstacles: HashMap::new(),
        };
        let root = disk.make(Body::empty_folder(), 0o755, 0);
        disk.node_mut(root).uses = 1;
        disk
    }

    /// A new node without a name.
    pub(crate) fn make(&mut self, body: Body, mode: u32, owner: u32) -> u64 {
        let number = self.spare.as_mut().and_then(Vec::pop).unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        let now = self.clock.now();
        let node = Node { body, mode, owner, modified: now, changed: now, born: now, uses: 0 };
        self.nodes.insert(number, node);
        number
    }

    pub(crate) fn node(&self, number: u64) -> &Node {
        self.nodes.get(&number).expect("a number in use has a node")
    }

    pub(crate) fn node_mut(&mut self, number: u64) -> &mut Node {
        self.nodes.get_mut(&number).expect("a number in use has a node")
    }

    /// The names in a folder; an error for anything else.
    pub(crate) fn names(&self, number: u64) -> io::Result<&Names> {
        match &self.node(number).body {
            Body::Folder { names, .. } => Ok(names),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Changes the names in a folder and updates its date.
    pub(crate) fn change_names(&mut self, folder: u64, change: impl FnOnce(&mut Names)) {
        let now = self.clock.now();
        let node = self.node_mut(folder);
        if let Body::Folder { names, .. } = &mut node.body {
            change(names);
        }
        (node.modified, node.changed) = (now, now);
    }

    pub(crate) fn hold(&mut self, number: u64) {
        self.node_mut(number).uses += 1;
    }

    /// Drops a reference; the last one frees the node.
    pub(crate) fn let_go(&mut self, number: u64) {
        let node = self.node_mut(number);
        node.uses -= 1;
        if node.uses > 0 {
            return;
        }
        let room = self.room_of(number);
        if let Some(free) = &mut self.free {
            *free += room;
        }
        let node = self.nodes.remove(&number).expect("a number in use has a node");
        if let Body::Folder { names, durable } = node.body {
            names.into_values().chain(durable.into_values()).for_each(|inner| self.let_go(inner));
        }
        if let Some(spare) = &mut self.spare {
            spare.push(number);
        }
    }

    /// The bytes that a node occupies.
    fn room_of(&self, number: u64) -> u64 {
        match &self.node(number).body {
            Body::File { data, reserved, .. } => (data.len() as u64).max(*reserved),
            _ => 0,
        }
    }

    /// Changes a file, space permitting, and updates its date.
    pub(crate) fn change_file(
        &mut self,
        number: u64,
        size: u64,
        reserved: u64,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let (before, after) = (self.room_of(number), size.max(reserved));
        if let Some(free) = &mut self.free {
            *free = (*free + before).checked_sub(after).ok_or(io::ErrorKind::StorageFull)?;
        }
        let now = self.clock.now();
        let node = self.node_mut(number);
        match &mut node.body {
            Body::File { data, reserved: room, .. } => {
                *room = reserved;
                change(Rc::make_mut(data));
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
        (node.modified, node.changed) = (now, now);
        Ok(())
    }

    pub(crate) fn stamp(&self, number: u64) -> Stamp {
        let node = self.node(number);
        let (kind, size) = match &node.body {
            Body::File { data, .. } => (FileKind::File, data.len() as u64),
            Body::Folder { .. } => (FileKind::Folder, 4096),
            Body::Link { target } => (FileKind::Link, target.as_os_str().len() as u64),
            Body::Fifo => (FileKind::Other, 0),
        };
        Stamp {
            kind,
            device: 1,
            inode: number,
            born: self.tells_births.then_some(node.born),
            modified: node.modified,
            changed: node.changed,
            size,
            mode: node.mode,
            owner: node.owner,
        }
    }

    /// Whether this user has all of these permissions (4 read, 2 write).
    pub(crate) fn allow(&self, number: u64, user: u32, rights: u32) -> io::Result<()> {
        let node = self.node(number);
        let granted = if node.owner == user { node.mode >> 6 } else { node.mode };
        if user == 0 || granted & rights == rights {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    pub(crate) fn writable(&self) -> io::Result<()> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }
}
