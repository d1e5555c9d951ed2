use crate::client::storage_folder::CREDENTIALS;
use crate::{Identity, platform};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// More links than any kernel follows.
const LINKS: usize = 40;

/// What to watch, given the folders and links that exist now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) interests: Vec<Interest>,
    /// Whether the storage folder exists.
    pub(super) complete: bool,
}

/// Names in one folder, and the meaning of events on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interest {
    /// The folder, links resolved.
    pub(super) folder: PathBuf,
    /// Another file system may be mounted over the folder. `None` if it is already gone.
    identity: Option<Identity>,
    names: Vec<OsString>,
    meaning: Meaning,
}

/// The meaning of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The document or the cache may have changed.
    Changed,
    /// A session may have started: it creates its own file in the folder tenths of a second after its start (measured).
    Session,
    /// The plan itself may be outdated.
    Outdated,
}

impl Plan {
    pub(super) fn make(folder: &Path, file: &Path, needs_auth: &Path, sessions: &Path) -> Self {
        let mut plan = Self::default();
        match platform::resolve(folder) {
            Ok(resolved) if resolved.is_dir() => {
                plan.complete = true;
                plan.add(&resolved, [OsString::from(CREDENTIALS)], Meaning::Changed);
                // Next to the document, or in the client's own folder.
                plan.add_path(needs_auth, Meaning::Changed);
                // A link in place of the folder can change its target without an event in either folder.
                plan.follow(folder, Meaning::Outdated);
                if !platform::FOLDERS_REPORT_THEIR_END {
                    plan.add_path(&resolved, Meaning::Outdated);
                }
                plan.follow(file, Meaning::Outdated);
                if let Ok(target) = platform::resolve(file) {
                    plan.add_path(&target, Meaning::Changed);
                }
            }
            _ => {
                plan.wait_for(folder);
                plan.follow(folder, Meaning::Outdated);
            }
        }
        match platform::resolve(sessions) {
            Ok(resolved) if resolved.is_dir() => plan.add(&resolved, Vec::new(), Meaning::Session),
            _ => plan.wait_for(sessions),
        }
        plan
    }

    /// Watches each link of a chain.
    fn follow(&mut self, path: &Path, meaning: Meaning) {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let Ok(target) = path.read_link() else { break };
            self.add_path(&path, meaning);
            path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
            if path.symlink_metadata().is_err() {
                self.wait_for(&path);
            }
        }
    }

    /// Watches the nearest existing ancestor of a missing path for the next component.
    fn wait_for(&mut self, missing: &Path) {
        for (path, above) in missing.ancestors().zip(missing.ancestors().skip(1)) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            if let (Ok(folder), Some(name)) = (platform::resolve(above), path.file_name())
                && folder.is_dir()
            {
                self.add(&folder, [name.to_owned()], Meaning::Outdated);
                return;
            }
        }
    }

    fn add_path(&mut self, path: &Path, meaning: Meaning) {
        if let (Some(name), Some(Ok(folder))) = (path.file_name(), path.parent().map(platform::resolve)) {
            self.add(&folder, [name.to_owned()], meaning);
        }
    }

    fn add(&mut self, folder: &Path, names: impl Into<Vec<OsString>>, meaning: Meaning) {
        let identity = platform::stamp(folder).ok().map(|stamp| stamp.identity());
        let interest = Interest { folder: folder.to_owned(), identity, names: names.into(), meaning };
        if !self.interests.contains(&interest) {
            self.interests.push(interest);
        }
    }
}

impl Interest {
    pub(super) fn meaning_of(&self, path: &Path) -> Option<Meaning> {
        if path == self.folder {
            // The folder itself was moved or removed, or its permissions changed.
            return Some(Meaning::Outdated);
        }
        let name = path.file_name()?;
        if self.meaning == Meaning::Session {
            let session = path.parent() == Some(&self.folder) && path.extension()? == "json";
            return session.then_some(Meaning::Session);
        }
        (path.parent() == Some(&self.folder) && self.names.iter().any(|known| known == name))
            .then_some(self.meaning)
    }
}
