use crate::nodes::{Body, Disk, ROOT};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows.
const LINKS: usize = 40;

/// Where a path leads.
pub(crate) struct Place {
    pub(crate) folder: u64,
    pub(crate) name: OsString,
    /// The node with this name; `None` if the name is free.
    pub(crate) node: Option<u64>,
    /// The path without links.
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn found(&self) -> io::Result<u64> {
        self.node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn free(&self) -> io::Result<()> {
        if self.node.is_none() { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }
}

impl Disk {
    /// Resolves a path, and the last component too if requested. All other components must exist.
    pub(crate) fn walk(&self, path: &Path, follow_last: bool) -> io::Result<Place> {
        let mut links = 0;
        // What remains to be resolved, last first.
        let mut rest: Vec<OsString> = parts(path);
        let mut trail: Vec<(u64, OsString)> = Vec::new();
        let mut at = ROOT;
        loop {
            let Some(name) = rest.pop() else {
                // The root, or a path that ends in `..`.
                let (folder, name) = trail.last().cloned().unwrap_or((ROOT, OsString::new()));
                return Ok(Place { folder, name, node: Some(at), path: path_of(&trail) });
            };
            if name == ".." {
                at = trail.pop().map_or(ROOT, |(folder, _)| folder);
                continue;
            }
            let node = self.names(at)?.get(&name).copied();
            let last = rest.is_empty();
            if let Some(node) = node
                && let Body::Link { target } = &self.node(node).body
                && (follow_last || !last)
            {
                links += 1;
                if links > LINKS {
                    return Err(io::Error::from_raw_os_error(40)); // ELOOP
                }
                if target.is_absolute() {
                    at = ROOT;
                    trail.clear();
                }
                rest.extend(parts(target));
                continue;
            }
            trail.push((at, name.clone()));
            if last {
                return Ok(Place { folder: at, name, node, path: path_of(&trail) });
            }
            at = node.ok_or(io::ErrorKind::NotFound)?;
        }
    }

    /// What a path names.
    pub(crate) fn find(&self, path: &Path, follow_last: bool) -> io::Result<u64> {
        self.walk(path, follow_last)?.found()
    }

    /// Adds a name to a node.
    pub(crate) fn link(&mut self, folder: u64, name: &OsStr, node: u64) {
        self.hold(node);
        let now = self.clock.now();
        self.node_mut(node).changed = now;
        self.change_names(folder, |names| {
            names.insert(name.to_owned(), node);
        });
    }

    /// Removes a name.
    pub(crate) fn unlink(&mut self, folder: u64, name: &OsStr) {
        let mut gone = None;
        self.change_names(folder, |names| gone = names.remove(name));
        if let Some(node) = gone {
            self.let_go(node);
        }
    }
}

fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn path_of(trail: &[(u64, OsString)]) -> PathBuf {
    std::iter::once(OsStr::new("/")).chain(trail.iter().map(|(_, name)| name.as_os_str())).collect()
}
