use super::keychain::KeychainFacts;
use crate::agent::Machine;
use crate::agent::client::ClaudeCode;
use crate::agent::folders::{FolderTrouble, folder_trouble};
use crate::agent::stores;
use crate::agent::vault::ledger::Ledger;
use crate::platform::clock::SystemClock;
use crate::platform::process::user_id;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use claude_store::{
    AnyStore, Entry, ErrorKind, FileSystem, Incomplete, LockSighting, Locks, NeedsAuthCache, Obstacle,
    OsFileSystem, ReadError, ServerConfigs, Stamp, StorageFolder, Store,
};
use compact::{Arrange as _, Map};
use jiff::Timestamp;
use refresh_engine::{EntryReport, ObservedEntry, Records, inspect};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One store.
pub(crate) struct StoreFacts {
    pub(crate) folder: StorageFolder,
    pub(crate) path: PathBuf,
    /// Why it cannot be read; `None` also where there simply is none.
    pub(crate) unreadable: Option<String>,
    /// The command that cures that, where there is one.
    pub(crate) readable_by: Option<String>,
    /// Where Claude Code keeps its logins instead.
    pub(crate) unused: Option<String>,
    pub(crate) link: Option<PathBuf>,
    /// The document itself, behind all links.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) obstacle: Option<Obstacle>,
    /// Why nothing can be written into its folders.
    pub(crate) folder_trouble: Option<FolderTrouble>,
    pub(crate) entries: Vec<(ObservedEntry, Option<EntryReport>)>,
    /// Servers that refuse (401) a token that the store calls good.
    pub(crate) refused: Vec<String>,
    /// Keys of entries that are not understood, and why.
    pub(crate) odd: Vec<(String, String)>,
    /// Why a part of the document cannot be seen.
    pub(crate) incomplete: Option<Incomplete>,
    /// Servers that new sessions skip, and since when.
    pub(crate) flagged: Vec<(String, Timestamp)>,
    pub(crate) flags_trouble: Option<String>,
    pub(crate) locks: Vec<LockSighting>,
    pub(crate) temporaries: Vec<Temporary>,
    /// `None` if no Keychain is looked at.
    pub(crate) keychain: Option<KeychainFacts>,
    /// `None` if Claude Code has no configuration file here, or none that can be read.
    pub(crate) configs: Option<ServerConfigs>,
}

/// A temporary file beside the document.
pub(crate) struct Temporary {
    pub(crate) path: PathBuf,
    pub(crate) age: Duration,
    pub(crate) ours: bool,
}

impl StoreFacts {
    /// Whether a new token could be saved, as far as is known. Where not, that has a finding of its own.
    pub(crate) fn is_writable(&self) -> bool {
        let foreign = self.stamp.is_some_and(|stamp| stamp.owner != user_id());
        self.obstacle.is_none() && self.folder_trouble.is_none() && !foreign
    }

    /// Whether nothing in its folder can be seen: what cannot be read there has that one cause.
    pub(crate) fn is_closed(&self) -> bool {
        let below = |trouble: &FolderTrouble| self.path.starts_with(&trouble.path);
        self.stamp.is_none() && self.unreadable.is_some() && self.folder_trouble.as_ref().is_some_and(below)
    }

    pub(crate) async fn gather(
        config: &Config,
        paths: &Paths,
        folder: StorageFolder,
        records: &Records<OsFileSystem>,
        ledger: Option<&Ledger>,
    ) -> Self {
        let opened = stores::open(config, paths, &folder, &|_| false).await;
        let keychain = KeychainFacts::gather(config, paths, &folder, &opened).await;
        let store = opened.store;
        let path = match &store {
            AnyStore::File(file) => file.path().to_owned(),
            AnyStore::Guarded(guarded) => guarded.file().path().to_owned(),
            // It is shown and compared, never opened.
            AnyStore::Keychain(_) | AnyStore::Keyring(_) => PathBuf::from(store.location()),
        };
        let mut facts = Self {
            path: path.clone(),
            unreadable: None,
            readable_by: None,
            unused: None,
            link: None,
            stamp: OsFileSystem.stamp(&path).ok(),
            obstacle: None,
            folder_trouble: folder_trouble(folder.path()),
            entries: Vec::new(),
            refused: Vec::new(),
            odd: Vec::new(),
            incomplete: None,
            flagged: Vec::new(),
            flags_trouble: None,
            locks: Locks::new(OsFileSystem, folder.path()).survey().unwrap_or_default(),
            temporaries: temporaries(&folder),
            keychain,
            configs: ServerConfigs::known(&OsFileSystem, &folder),
            folder,
        };
        if let Ok(target) = OsFileSystem.resolve(&path) {
            facts.obstacle = OsFileSystem.obstacle(&target).unwrap_or_default();
            let is_link = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
            let behind = target.parent().filter(|_| is_link).and_then(folder_trouble);
            facts.folder_trouble = facts.folder_trouble.or(behind);
            facts.link = is_link.then_some(target);
        }
        match NeedsAuthCache::new(OsFileSystem, facts.folder.needs_auth_path()).flagged() {
            Ok(flagged) => {
                let moment = |(name, millis)| Some((name, Timestamp::from_millisecond(millis).ok()?));
                facts.flagged = flagged.into_iter().filter_map(moment).collect();
            }
            Err(error) => {
                let cache = facts.folder.needs_auth_path();
                // In a folder that cannot be entered that is no cause of its own.
                let closed = facts.folder_trouble.as_ref().is_some_and(|trouble| {
                    cache.starts_with(&trouble.path) && std::fs::symlink_metadata(&cache).is_err()
                });
                facts.flags_trouble = (!closed).then(|| error.to_string());
            }
        }
        facts.read(config, &store, records).await;
        // Without the ledger nobody knows whether the login of an entry without tokens is in the vault.
        let is_left =
            |entry: &Entry| ledger.map_or(entry.is_stub(), |ledger| ledger.left(store.location(), entry));
        facts.entries.retain(|(seen, _)| !is_left(&seen.entry));
        facts
    }

    /// Whether it has an entry for this server, be it one that is not understood.
    pub(crate) fn holds(&self, server: &str) -> bool {
        self.entries.iter().any(|(seen, _)| seen.entry.server_name == server)
            || self
                .odd
                .iter()
                .any(|(key, _)| key.rsplit_once('|').map_or(key.as_str(), |(name, _)| name) == server)
    }

    async fn read(&mut self, config: &Config, store: &AnyStore, records: &Records<OsFileSystem>) {
        let snapshot = match store.read().await {
            Ok(snapshot) => snapshot,
            Err(ReadError::Unused { why, .. }) => {
                self.unused = Some(why);
                return;
            }
            Err(error) => {
                self.readable_by = error.command();
                self.unreadable = (error.kind() != ErrorKind::Absent).then(|| error.to_string());
                return;
            }
        };
        let document = match snapshot.document() {
            Ok(document) => document,
            Err(error) => {
                self.unreadable = Some(format!("{}: {error}", store.location()));
                return;
            }
        };
        let client = ClaudeCode::new(&self.folder);
        let report = inspect::<Machine>(store, records, &SystemClock, &client, &config.policy, 0).await;
        let mut reports: Map<_, _> =
            report.entries.into_iter().map(|report| (report.key.clone(), report)).collect();
        let with_report =
            |entry: &Entry| (ObservedEntry::new(entry.clone()), reports.remove(entry.key.as_str()));
        self.entries = document.entries().map(with_report).collect();
        self.incomplete = document.incomplete().cloned();
        self.odd = document.problems().iter().map(|odd| (odd.key.to_string(), odd.why.clone())).collect();
    }
}

fn temporaries(folder: &StorageFolder) -> Vec<Temporary> {
    let in_folder = |folder: &Path, prefix: &'static str| {
        let listed = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        listed.map(move |entry| (entry, prefix))
    };
    let listed = in_folder(folder.path(), ".credentials.json.tmp.")
        .chain(in_folder(folder.config_folder(), ".mcp-needs-auth-cache.json.tmp."));
    let found = listed.filter_map(|(entry, prefix)| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix(prefix)?;
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        // One dated ahead is as young as can be.
        let age = metadata.modified().ok()?.elapsed().unwrap_or_default();
        Some(Temporary { path: entry.path(), age, ours: rest.starts_with("mcp-refreshd-") })
    });
    let mut found: Vec<_> = found.collect();
    found.arrange_by(|a, b| a.path.cmp(&b.path));
    found
}
