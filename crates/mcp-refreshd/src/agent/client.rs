use claude_store::{OsFileSystem, ServerConfigs, SessionActivity, StorageFolder};
use jiff::Timestamp;
use refresh_engine::{Activity, Client};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Scanning session logs means walking their folders, so plans made together share one scan.
const ACTIVITY_KEPT: Duration = Duration::from_secs(1);
/// Metadata lookups come in groups, after a start for example.
const CONFIGS_KEPT: Duration = Duration::from_secs(10);

/// What the disk reveals about Claude Code besides its store.
#[derive(Debug)]
pub(crate) struct ClaudeCode {
    folder: StorageFolder,
    sessions: SessionActivity,
    activity: Cell<Option<(Instant, Activity)>>,
    configs: RefCell<Option<(Instant, ServerConfigs)>>,
    /// Held while they are read; others wait for it.
    reading: Mutex<()>,
}

impl ClaudeCode {
    /// The Claude Code client that uses this storage folder.
    pub(crate) fn new(folder: &StorageFolder) -> Self {
        Self {
            sessions: SessionActivity::new(OsFileSystem, folder),
            folder: folder.clone(),
            activity: Cell::new(None),
            configs: RefCell::new(None),
            reading: Mutex::new(()),
        }
    }

    fn with_configs<T>(&self, ask: impl FnOnce(&ServerConfigs) -> T) -> T {
        let mut configs = self.configs.borrow_mut();
        let (_, configs) =
            configs.get_or_insert_with(|| (Instant::now(), ServerConfigs::read(&OsFileSystem, &self.folder)));
        ask(configs)
    }

    fn look(&self) -> Activity {
        let mut activity = Activity::default();
        let mut note = |at| Timestamp::try_from(at).into_iter().for_each(|at| activity.note(at));
        // Unreadable logs do not prove that sessions are quiet; the margin's floor bounds the wait.
        if let Err(error) = self.sessions.each_moment(&mut note) {
            tracing::debug!("the sessions' logs cannot be listed: {error}");
            activity.note(Timestamp::now());
        }
        activity
    }
}

impl Client for ClaudeCode {
    fn activity(&self) -> Activity {
        match self.activity.get() {
            Some((at, activity)) if at.elapsed() < ACTIVITY_KEPT => activity,
            _ => {
                let activity = self.look();
                self.activity.set(Some((Instant::now(), activity)));
                activity
            }
        }
    }

    /// The client keeps its histories in the same file. Reading 91 MiB takes seconds, so it happens on a thread of its own.
    async fn make_ready(&self) {
        let _reading = self.reading.lock().await;
        if self.configs.borrow().as_ref().is_some_and(|(at, _)| at.elapsed() < CONFIGS_KEPT) {
            return;
        }
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || ServerConfigs::read(&OsFileSystem, &folder)).await;
        if let Ok(read) = read {
            self.configs.replace(Some((Instant::now(), read)));
        }
    }

    fn session_began(&self) {
        self.activity.take();
    }

    fn metadata_url(&self, server_name: &str, server_url: &str) -> Option<String> {
        self.with_configs(|configs| configs.metadata_url(server_name, server_url))
    }

    fn client_id(&self, server_name: &str, server_url: &str) -> Option<String> {
        self.with_configs(|configs| configs.client_id(server_name, server_url))
    }
}
