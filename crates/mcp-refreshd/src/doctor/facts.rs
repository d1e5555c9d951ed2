use super::keychain::KeychainFacts;
use super::origins::{OriginFacts, ask_offers, ask_origins, ask_servers};
use super::surroundings::{find_claude, lingers};
use crate::agent::{Machine, storage_folders};
use crate::client::ClaudeCode;
use crate::clock::SystemClock;
use crate::command::reach;
use crate::config::Config;
use crate::history::{Biography, biographies};
use crate::network;
use crate::paths::Paths;
use crate::protocol::{Answer, Ask};
use crate::report::Status;
use crate::service;
use crate::socket;
use crate::stores;
use crate::surroundings::Surroundings;
use claude_store::{
    AnyStore, ErrorKind, FileSystem, Incomplete, LockSighting, Locks, NeedsAuthCache, Obstacle, OsFileSystem,
    ServerConfigs, Stamp, StorageFolder, Store,
};
use jiff::Timestamp;
use refresh_engine::{EntryReport, Journal, Records, Seen, inspect};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use token_endpoint::{HttpError, RefreshOffer};
use user_agent_service::Standing;

/// The variables that name a proxy, as the HTTP client reads them.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// Everything the findings rest on, gathered without a change and without a lock.
pub(super) struct Facts {
    pub(super) now: Timestamp,
    pub(super) paths: Paths,
    pub(super) agent: Agent,
    pub(super) journal_open: usize,
    pub(super) journal_trouble: Option<String>,
    /// The agent as a service; `None` where it is not installed.
    pub(super) service: Option<Standing>,
    /// Names of proxy variables that are set here.
    pub(super) proxies: Vec<&'static str>,
    /// Whether the configuration or Claude Code's settings name one.
    pub(super) proxy_configured: bool,
    /// What of Claude Code's settings and the files they name cannot be used.
    pub(super) passed_over: Vec<String>,
    /// Whether a CA file is named already.
    pub(super) trusts_more: bool,
    pub(super) stores: Vec<StoreFacts>,
    pub(super) origins: Vec<OriginFacts>,
    /// What the authorization servers of logins without refresh token say about such tokens, by the MCP server's URL.
    pub(super) offers: BTreeMap<String, RefreshOffer>,
    /// What the history knows of each entry, by the store's location and the key.
    pub(super) pasts: BTreeMap<(String, String), Biography>,
    pub(super) network_trouble: Option<HttpError>,
    /// What Claude Code in this shell would use.
    pub(super) shell_folder: StorageFolder,
    /// Where a command named `claude` is, links resolved.
    pub(super) claude: Option<PathBuf>,
    /// Whether the user's services run without a login; `None` where that is no question here.
    pub(super) lingers: Option<bool>,
}

/// The daemon.
pub(super) enum Agent {
    Stopped,
    /// It runs; the second value is the proxy variables it knows, where it says so.
    Runs(Status, Option<Vec<String>>),
    /// It runs and cannot be asked.
    Unreachable(String),
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody on the network.
    Nobody,
    /// The authorization servers, for their metadata.
    Metadata,
    /// Also each MCP server, with its own token.
    Tokens,
}

/// One store.
pub(super) struct StoreFacts {
    pub(super) folder: StorageFolder,
    pub(super) path: PathBuf,
    /// Why it cannot be read; `None` also where there simply is none.
    pub(super) unreadable: Option<String>,
    pub(super) link: Option<PathBuf>,
    /// The document itself, behind all links.
    pub(super) stamp: Option<Stamp>,
    pub(super) obstacle: Option<Obstacle>,
    pub(super) entries: Vec<(Seen, Option<EntryReport>)>,
    /// Servers that refuse (401) a token that the store calls good.
    pub(super) refused: Vec<String>,
    /// Keys of entries that are not understood, and why.
    pub(super) odd: Vec<(String, String)>,
    /// Why a part of the document cannot be seen.
    pub(super) incomplete: Option<Incomplete>,
    /// Servers that new sessions skip, and since when.
    pub(super) flagged: Vec<(String, Timestamp)>,
    pub(super) flags_trouble: Option<String>,
    pub(super) locks: Vec<LockSighting>,
    pub(super) temporaries: Vec<Temporary>,
    /// `None` where no Keychain is looked at.
    pub(super) keychain: Option<KeychainFacts>,
    /// `None` where Claude Code has no configuration file here, or none that can be read.
    pub(super) configs: Option<ServerConfigs>,
}

/// A temporary file beside the document.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) age: Duration,
    pub(super) ours: bool,
}

impl Facts {
    pub(super) async fn gather(config: &Config, paths: &Paths, reach_out: Reach) -> Self {
        let agent = match reach(&paths.state).await {
            Ok(None) => Agent::Stopped,
            Ok(Some(status)) => {
                let knows = match socket::ask(&paths.state, &Ask::ProxyVariables).await {
                    Ok(Some(Answer::ProxyVariables(names))) => Some(names),
                    _ => None,
                };
                Agent::Runs(status, knows)
            }
            Err(error) => Agent::Unreachable(error.to_string()),
        };
        let (journal_open, journal_trouble) = match Journal::peek(&OsFileSystem, &paths.state) {
            Ok(open) => (open.len(), None),
            Err(error) => (0, Some(error.to_string())),
        };
        let records = Records::peek(OsFileSystem, &paths.state);
        let mut stores = Vec::new();
        for folder in folders(config, paths, &agent) {
            stores.push(StoreFacts::gather(config, paths, folder, &records).await);
        }
        let (mut origins, mut offers, mut network_trouble) = (Vec::new(), BTreeMap::new(), None);
        let shell_folder = StorageFolder::from_env(&|name| std::env::var_os(name), &paths.home);
        let surroundings = Surroundings::read(stores.first().map_or(&shell_folder, |store| &store.folder));
        let mut passed_over = Vec::new();
        if reach_out != Reach::Nobody {
            match network::http(&config.network, &surroundings) {
                Ok((http, told)) => {
                    passed_over = told;
                    origins = ask_origins(&http, &stores).await;
                    offers = ask_offers(&http, &stores).await;
                    if reach_out == Reach::Tokens {
                        for store in &mut stores {
                            store.refused = ask_servers(&http, &store.entries).await;
                        }
                    }
                }
                Err(error) => network_trouble = Some(error),
            }
        }
        Self {
            now: Timestamp::now(),
            agent,
            journal_open,
            journal_trouble,
            service: service::standing(paths),
            proxies: proxy_variables().collect(),
            proxy_configured: config.network.proxy.is_some() || surroundings.settings_name_a_proxy(),
            passed_over,
            trusts_more: !config.network.extra_ca.is_empty() || surroundings.extra_ca().is_some(),
            stores,
            origins,
            offers,
            pasts: biographies(&paths.state),
            network_trouble,
            shell_folder,
            claude: find_claude(),
            lingers: lingers(Path::new("/"), &|name| std::env::var_os(name)),
            paths: paths.clone(),
        }
    }

    pub(super) fn runs(&self) -> bool {
        !matches!(self.agent, Agent::Stopped)
    }

    /// What the history knows of this entry.
    pub(super) fn past_of(&self, store: &StoreFacts, seen: &Seen) -> Biography {
        let place = (store.path.display().to_string(), seen.entry.key.to_string());
        self.pasts.get(&place).cloned().unwrap_or_default()
    }

    /// Whether the agent holds a new pair for this entry that it could not write yet.
    pub(super) fn waits_to_be_saved(&self, seen: &Seen) -> bool {
        let Agent::Runs(status, _) = &self.agent else { return false };
        let entries = status.stores.iter().flat_map(|store| &store.entries);
        entries.filter(|entry| entry.key == seen.entry.key.as_str()).any(|entry| entry.unsaved.is_some())
    }
}

/// The stores that are kept: those of the running agent, whose environment may be another one, else those of the configuration.
fn folders(config: &Config, paths: &Paths, agent: &Agent) -> Vec<StorageFolder> {
    let of_config = storage_folders(config, paths);
    let Agent::Runs(status, _) = agent else { return of_config };
    let folder = |location: &str| {
        let path = Path::new(location);
        let same = of_config.iter().find(|folder| {
            folder.credentials_path() == path
                || stores::location_of_item(config, paths, folder).as_deref() == Some(location)
        });
        let unknown = || {
            let at = path.parent().filter(|_| path.is_absolute())?;
            Some(StorageFolder::listed(at, &|name| std::env::var_os(name), &paths.home))
        };
        same.cloned().or_else(unknown)
    };
    status.stores.iter().filter_map(|store| folder(&store.location)).collect()
}

/// The proxy variables that are set for this process. Only their names: a proxy's URL may hold a password.
pub(crate) fn proxy_variables() -> impl Iterator<Item = &'static str> {
    PROXY_VARIABLES.into_iter().filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

impl StoreFacts {
    async fn gather(
        config: &Config,
        paths: &Paths,
        folder: StorageFolder,
        records: &Records<OsFileSystem>,
    ) -> Self {
        let opened = stores::open(config, paths, &folder, &|_| false).await;
        let keychain = KeychainFacts::gather(config, paths, &folder, &opened).await;
        let store = opened.store;
        let path = match &store {
            AnyStore::File(file) => file.path().to_owned(),
            // It is shown and compared, never opened.
            AnyStore::Keychain(_) | AnyStore::Keyring(_) => PathBuf::from(store.location()),
        };
        let mut facts = Self {
            path: path.clone(),
            unreadable: None,
            link: None,
            stamp: OsFileSystem.stamp(&path).ok(),
            obstacle: None,
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
            facts.link = is_link.then_some(target);
        }
        match NeedsAuthCache::new(OsFileSystem, facts.folder.needs_auth_path()).flagged() {
            Ok(flagged) => {
                let moment = |(name, millis)| Some((name, Timestamp::from_millisecond(millis).ok()?));
                facts.flagged = flagged.into_iter().filter_map(moment).collect();
            }
            Err(error) => facts.flags_trouble = Some(error.to_string()),
        }
        facts.read(config, &store, records).await;
        facts
    }

    async fn read(&mut self, config: &Config, store: &AnyStore, records: &Records<OsFileSystem>) {
        let snapshot = match store.read().await {
            Ok(snapshot) => snapshot,
            Err(error) => {
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
        let mut reports: BTreeMap<_, _> =
            report.entries.into_iter().map(|report| (report.key.clone(), report)).collect();
        let with_report =
            |entry: &claude_store::Entry| (Seen::new(entry.clone()), reports.remove(entry.key.as_str()));
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
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
