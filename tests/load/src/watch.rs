//! Folder events with the time of their report: an inotify reader on its own thread, which otherwise sleeps.

use crate::{Fallible, now_us};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Buffer for the events of one read.
const ROOM: usize = 64 << 10;

/// An event on a name.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at_us: u64,
    pub(crate) path: PathBuf,
    pub(crate) what: What,
    /// The file's size when the event was read.
    pub(crate) size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Made,
    Gone,
    /// A file was renamed to this name.
    Renamed,
    Written,
}

#[derive(Default)]
struct Seen(Mutex<Vec<Event>>);

/// Watches until the program ends.
pub(crate) struct Watch(Arc<Seen>);

impl Watch {
    /// Everything that happens in these folders.
    pub(crate) fn everything(folders: &[&Path]) -> Fallible<Self> {
        Self::new(
            folders,
            WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_TO | WatchFlags::MODIFY,
        )
    }

    /// Renames only. Each event that is watched costs the daemon the waking of a thread of ours: in a storm, for each lock and each
    /// line of the journal.
    pub(crate) fn renames_in(folder: &Path) -> Fallible<Self> {
        Self::new(&[folder], WatchFlags::MOVED_TO)
    }

    fn new(folders: &[&Path], wanted: WatchFlags) -> Fallible<Self> {
        let kernel = inotify::init(CreateFlags::CLOEXEC)?;
        let mut places = BTreeMap::new();
        for folder in folders {
            // Before the daemon, which would make its own in the same way.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            places.insert(inotify::add_watch(&kernel, *folder, wanted)?, (*folder).to_owned());
        }
        let seen = Arc::new(Seen::default());
        let (shared, mut room) = (Arc::clone(&seen), vec![MaybeUninit::uninit(); ROOM]);
        std::thread::spawn(move || {
            let mut reader = inotify::Reader::new(kernel, &mut room);
            while let Ok(event) = reader.next() {
                let at_us = now_us();
                let (Some(folder), Some(name)) = (places.get(&event.wd()), event.file_name()) else {
                    continue;
                };
                let path = folder.join(name.to_string_lossy().as_ref());
                let what = match event.events() {
                    flags if flags.contains(ReadFlags::CREATE) => What::Made,
                    flags if flags.contains(ReadFlags::DELETE) => What::Gone,
                    flags if flags.contains(ReadFlags::MOVED_TO) => What::Renamed,
                    _ => What::Written,
                };
                let size = match what {
                    What::Renamed => std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len()),
                    _ => 0,
                };
                shared.events().push(Event { at_us, path, what, size });
            }
        });
        Ok(Self(seen))
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.events().clone()
    }

    /// How many times a file was renamed to this path, and its sizes.
    pub(crate) fn renames(&self, path: &Path) -> (usize, u64) {
        let events = self.0.events();
        let renames = events.iter().filter(|event| event.what == What::Renamed && event.path == path);
        renames.fold((0, 0), |(count, bytes), event| (count + 1, bytes + event.size))
    }

    /// When a file was last renamed to this path.
    pub(crate) fn last_rename(&self, path: &Path) -> Option<u64> {
        let events = self.0.events();
        events
            .iter()
            .rfind(|event| event.what == What::Renamed && event.path == path)
            .map(|event| event.at_us)
    }
}

impl Seen {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
