mod plan;

use crate::{StorageFolder, platform};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind};
use plan::{Interest, Meaning, Plan};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// How often a plan that was outdated while it was carried out is made anew.
const TRIES: usize = 10;

/// Reports when the document or the needs-auth cache may have changed, or a session has begun. Sleeps until the kernel says so.
///
/// It watches folders: a watched file goes deaf with the first rename over it. Where the storage folder is missing it watches the
/// nearest folder above it that exists. Opens, reads, locks and temporary files are no news.
pub struct FolderWatch {
    folder: PathBuf,
    file: PathBuf,
    needs_auth: PathBuf,
    sessions: PathBuf,
    /// Replaced as a whole when folders come and go: a fresh one has no past.
    watcher: Option<RecommendedWatcher>,
    signal: Arc<Signal>,
    /// What the watcher watches.
    plan: Plan,
}

/// What may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The document or the needs-auth cache may be another one, and a session may have begun.
    Any,
    /// A session has begun, and nothing else happened.
    Session,
}

/// What the watcher's thread tells.
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
    /// The system's limit for watches or watchers is reached.
    #[error("{} cannot be watched: this user's limit for file watches is reached; {}", path.display(), platform::watch_limit_advice())]
    Limit {
        /// The folder to be watched.
        path: PathBuf,
    },
    /// Any other error of the operating system.
    #[error("{} cannot be watched: {source}", path.display())]
    Io {
        /// The folder to be watched.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl FolderWatch {
    /// Watches from now on.
    ///
    /// # Errors
    /// [`WatchError`] says what to do about it.
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

    /// Waits until something of interest may have changed, and says what; what changed while nobody waited counts. May be dropped and called
    /// again without missing anything.
    ///
    /// # Errors
    /// The folders came or went and cannot be watched any more. The next call tries once more.
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
            // A session is told before what it does to the document, so that nothing waits for the other.
            if self.signal.session.swap(false, Ordering::AcqRel) {
                return Ok(News::Session);
            }
            if self.signal.changed.swap(false, Ordering::AcqRel) {
                return Ok(News::Any);
            }
            self.signal.wake.notified().await;
        }
    }

    /// Looks whether what it watches is still what is there. To be called when something was mounted or unmounted: neither the folder
    /// below nor the one above says so.
    pub fn recheck(&mut self) {
        if self.plan_now() != self.plan {
            self.signal.outdated.store(true, Ordering::Release);
            self.signal.wake.notify_one();
        }
    }

    fn plan_now(&self) -> Plan {
        Plan::make(&self.folder, &self.file, &self.needs_auth, &self.sessions)
    }

    /// Watches what there is to be watched now.
    fn arm(&mut self) -> Result<(), WatchError> {
        // The old watcher's last words must not be taken for the new one's.
        self.watcher = None;
        self.signal = Arc::default();
        let mut plan = self.plan_now();
        for _ in 0..TRIES {
            let watcher = start(&plan, Arc::clone(&self.signal))?;
            // What came or went between the look and the watch was not reported.
            let now = self.plan_now();
            if now == plan {
                self.plan = plan;
                self.watcher = watcher;
                return Ok(());
            }
            plan = now;
        }
        let source = io::Error::other("it comes and goes all the time");
        Err(WatchError::Io { path: self.folder.clone(), source })
    }
}

impl std::fmt::Debug for FolderWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderWatch").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Starts a watcher; `None` when a folder of the plan has gone meanwhile.
fn start(plan: &Plan, signal: Arc<Signal>) -> Result<Option<RecommendedWatcher>, WatchError> {
    let interests = plan.interests.clone();
    let handler = move |event| report(&interests, &signal, event);
    let path = plan.interests.first().map(|interest| interest.folder.clone()).unwrap_or_default();
    let mut watcher = notify::recommended_watcher(handler).map_err(|error| watch_error(&path, error))?;
    let mut folders: Vec<&Path> = plan.interests.iter().map(|interest| interest.folder.as_path()).collect();
    folders.sort_unstable();
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

/// Runs in the watcher's thread: tells the waiting task what matters and nothing else.
fn report(interests: &[Interest], signal: &Signal, event: notify::Result<Event>) {
    let (mut changed, mut session, mut outdated) = (false, false, false);
    match event {
        // Events were lost, or the watcher is in trouble: look at everything anew.
        Err(_) => (changed, session, outdated) = (true, true, true),
        Ok(event) if event.need_rescan() => (changed, session, outdated) = (true, true, true),
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
        Ok(event) => {
            for interest in interests {
                for path in &event.paths {
                    match interest.meaning_of(path) {
                        Some(Meaning::Changed) => changed = true,
                        // What becomes of a session's file later is its own affair.
                        Some(Meaning::Session) => session |= matches!(event.kind, EventKind::Create(_)),
                        // Folders and links matter when they come, go or get other rights.
                        Some(Meaning::Outdated)
                            if !matches!(event.kind, EventKind::Modify(ModifyKind::Data(_))) =>
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
