mod plan;

use crate::{StorageFolder, platform};
use compact::Arrange as _;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind};
use plan::{Interest, Meaning, Plan};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// How often to rebuild a plan that became outdated while it was applied.
const TRIES: usize = 10;

/// Reports when the document or the needs-auth cache may have changed, or a session has started. Sleeps in between.
///
/// It watches folders, because a watch on a file is lost with the first rename over it. If the storage folder is missing, it watches
/// the nearest existing ancestor. Opens, reads, locks and temporary files are ignored.
pub struct FolderWatch {
    folder: PathBuf,
    file: PathBuf,
    needs_auth: PathBuf,
    sessions: PathBuf,
    /// Replaced whenever folders appear or disappear: a new watcher has no stale events.
    watcher: Option<RecommendedWatcher>,
    signal: Arc<Signal>,
    /// What the watcher watches.
    plan: Plan,
}

/// What may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The document or the needs-auth cache may have changed, and a session may have started.
    Any,
    /// A session has started, and nothing else changed.
    Session,
}

/// A message from the watcher's thread.
#[derive(Default)]
struct Signal {
    wake: Notify,
    changed: AtomicBool,
    session: AtomicBool,
    outdated: AtomicBool,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The system's limit of watches or watchers is reached.
    #[error("cannot watch {}: this user's limit of file watches is reached; {}", path.display(), platform::watch_limit_advice())]
    Limit {
        /// The folder to watch.
        path: PathBuf,
    },
    /// Any other system error.
    #[error("cannot watch {}: {source}", path.display())]
    Io {
        /// The folder to watch.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl FolderWatch {
    /// Starts watching.
    ///
    /// # Errors
    /// [`WatchError`] says how to fix it.
    pub fn new(folder: &StorageFolder) -> Result<Self, WatchError> {
        let mut watch = Self {
            folder: folder.path().to_owned(),
            file: folder.credentials_path(),
            needs_auth: folder.needs_auth_path(),
            sessions: folder.sessions_path(),
            watcher: None,
            signal: Arc::default(),
            plan: Plan::default(),
        };
        watch.arm()?;
        Ok(watch)
    }

    /// Waits for a relevant change and returns what it was, including changes since the last call. Cancel-safe.
    ///
    /// # Errors
    /// The folders appeared or disappeared and can no longer be watched. The next call tries again.
    pub async fn changed(&mut self) -> Result<News, WatchError> {
        loop {
            if self.watcher.is_none() || self.signal.outdated.swap(false, Ordering::AcqRel) {
                let was_complete = self.plan.complete;
                self.arm()?;
                if was_complete || self.plan.complete {
                    self.signal.changed.store(false, Ordering::Release);
                    return Ok(News::Any);
                }
            }
            // Report a session before its effect on the document, so that neither delays the other.
            if self.signal.session.swap(false, Ordering::AcqRel) {
                return Ok(News::Session);
            }
            if self.signal.changed.swap(false, Ordering::AcqRel) {
                return Ok(News::Any);
            }
            self.signal.wake.notified().await;
        }
    }

    /// Checks whether the watched folders are still the existing ones. Call it after a mount or unmount, which neither the folder nor
    /// its parent reports.
    pub fn recheck(&mut self) {
        if self.plan_now() != self.plan {
            self.signal.outdated.store(true, Ordering::Release);
            self.signal.wake.notify_one();
        }
    }

    fn plan_now(&self) -> Plan {
        Plan::make(&self.folder, &self.file, &self.needs_auth, &self.sessions)
    }

    /// Watches whatever exists now.
    fn arm(&mut self) -> Result<(), WatchError> {
        // The old watcher's last events must not be mistaken for the new one's.
        self.watcher = None;
        self.signal = Arc::default();
        let mut plan = self.plan_now();
        for _ in 0..TRIES {
            let watcher = start(&plan, Arc::clone(&self.signal))?;
            // Changes between building the plan and starting the watch were not reported.
            let now = self.plan_now();
            if now == plan {
                self.plan = plan;
                self.watcher = watcher;
                return Ok(());
            }
            plan = now;
        }
        let source = io::Error::other("it keeps appearing and disappearing");
        Err(WatchError::Io { path: self.folder.clone(), source })
    }
}

impl std::fmt::Debug for FolderWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderWatch").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Starts a watcher; `None` if a folder of the plan has disappeared.
fn start(plan: &Plan, signal: Arc<Signal>) -> Result<Option<RecommendedWatcher>, WatchError> {
    let interests = plan.interests.clone();
    let handler = move |event| report(&interests, &signal, event);
    let path = plan.interests.first().map(|interest| interest.folder.clone()).unwrap_or_default();
    let mut watcher = notify::recommended_watcher(handler).map_err(|error| watch_error(&path, error))?;
    let mut folders: Vec<&Path> = plan.interests.iter().map(|interest| interest.folder.as_path()).collect();
    folders.arrange();
    folders.dedup();
    for folder in folders {
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(watch_error(folder, error)),
        }
    }
    Ok(Some(watcher))
}

/// Runs in the watcher's thread: forwards relevant events to the waiting task.
fn report(interests: &[Interest], signal: &Signal, event: notify::Result<Event>) {
    let (mut changed, mut session, mut outdated) = (false, false, false);
    match event {
        // Events were lost, or the watcher failed: check everything again.
        Err(_) => (changed, session, outdated) = (true, true, true),
        Ok(event) if event.need_rescan() => (changed, session, outdated) = (true, true, true),
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
        Ok(event) => {
            for interest in interests {
                for path in &event.paths {
                    match interest.meaning_of(path) {
                        Some(Meaning::Changed) => changed = true,
                        // Later changes to a session's file do not matter.
                        Some(Meaning::Session) => session |= matches!(event.kind, EventKind::Create(_)),
                        // Folders and links matter when they are created, removed or change permissions. On Windows a folder
                        // that only got a new file is "modified" for the folder above, in no named way.
                        Some(Meaning::Outdated)
                            if !matches!(
                                event.kind,
                                EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any)
                            ) =>
                        {
                            outdated = true;
                        }
                        Some(Meaning::Outdated) | None => {}
                    }
                }
            }
        }
    }
    if changed {
        signal.changed.store(true, Ordering::Release);
    }
    if session {
        signal.session.store(true, Ordering::Release);
    }
    if outdated {
        signal.outdated.store(true, Ordering::Release);
    }
    if changed || session || outdated {
        signal.wake.notify_one();
    }
}

fn is_missing(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }
        _ => false,
    }
}

fn watch_error(path: &Path, error: notify::Error) -> WatchError {
    let path = path.to_owned();
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => WatchError::Limit { path },
        notify::ErrorKind::Io(source) if platform::is_descriptor_limit(&source) => WatchError::Limit { path },
        notify::ErrorKind::Io(source) => WatchError::Io { path, source },
        other => WatchError::Io { path, source: io::Error::other(notify::Error::new(other).to_string()) },
    }
}

#[cfg(test)]
mod tests;
