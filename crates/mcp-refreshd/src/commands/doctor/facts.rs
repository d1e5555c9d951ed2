#[cfg(feature = "cluster")]
mod cluster;
mod configuration;
pub(crate) mod keychain;
pub(crate) mod origins;
mod store;
mod surroundings;
mod vault;

#[cfg(feature = "cluster")]
pub(super) use cluster::{AsAgentSees, ClusterFacts};
pub(super) use store::StoreFacts;
pub(super) use vault::{HelperFacts, VaultFacts};

use crate::agent::chosen_store::chosen_store;
use crate::agent::config_check::listed_files;
use crate::agent::folders::{FolderTrouble, WhyNot, folder_trouble, foreign, no_home};
use crate::agent::network;
use crate::agent::status::status_from_disk;
use crate::agent::stores;
use crate::agent::stores::storage_folders;
use crate::agent::vault::{folder as vault_folder, ledger::Ledger};
use crate::commands::service;
use crate::commands::status;
use crate::control::instance::holder_without_socket;
use crate::control::protocol::{Reply, Request};
use crate::control::report::Status;
use crate::control::socket::{self, RequestError, reach_patiently};
use crate::observers::history::{Biography, biographies};
use crate::platform::is_stopped;
use crate::settings::config::{Config, Ignoring};
use crate::settings::paths::Paths;
use crate::settings::surroundings::Surroundings;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use claude_store::{Entry, OsFileSystem, StorageFolder};
use compact::Map;
use jiff::Timestamp;
use origins::{OriginFacts, ask_offers, ask_origins, ask_servers};
use refresh_engine::{Journal, ObservedEntry, Records};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use surroundings::{find_claude, lingers};
use token_endpoint::{HttpError, RefreshOffer};
use user_agent_service::Standing;

/// The variables that name a proxy, as the HTTP client reads them.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// What is asked for.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) reach: Reach,
    /// Only what concerns this server, by its name or key.
    pub(super) server: Option<&'a str>,
    /// Only this store.
    pub(super) store: Option<&'a Path>,
    /// Why the configuration cannot be used; the defaults hold then.
    pub(super) config_trouble: Option<String>,
}

/// Everything the findings rest on, gathered without a change and without a lock.
pub(super) struct Facts {
    pub(super) now: Timestamp,
    pub(super) paths: Paths,
    /// Why the configuration cannot be used.
    pub(super) config_trouble: Option<String>,
    /// Where a line belongs in it.
    pub(super) ignoring: Ignoring,
    /// The only server that is of interest.
    pub(super) only: Option<String>,
    /// Only one of the stores is of interest.
    pub(super) one_store: bool,
    pub(super) agent: Agent,
    /// The process of an agent that could make no socket.
    pub(super) unasked: Option<u32>,
    pub(super) journal_open: usize,
    pub(super) journal_trouble: Option<String>,
    /// What the configuration says that has no effect.
    pub(super) remarks: Vec<String>,
    /// Files that the configuration lists as stores.
    pub(super) files: Vec<PathBuf>,
    /// Why nothing can be written into the state folder.
    pub(super) state_trouble: Option<FolderTrouble>,
    /// The agent as a service; `None` if it is not installed.
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
    pub(super) offers: Map<String, RefreshOffer>,
    /// What the history knows of each entry, by the store's location and the key.
    pub(super) pasts: Map<(String, String), Biography>,
    pub(super) network_trouble: Option<HttpError>,
    /// What Claude Code in this shell would use.
    pub(super) shell_folder: StorageFolder,
    /// Where a command named `claude` is, links resolved.
    pub(super) claude: Option<PathBuf>,
    /// What is known of the vault; `None` where there is none.
    pub(super) vault: Option<VaultFacts>,
    /// What is known of the cluster; `None` where none is configured.
    #[cfg(feature = "cluster")]
    pub(super) cluster: Option<ClusterFacts>,
    /// Whether the user's services run without a login; `None` if that is no question here.
    pub(super) lingers: Option<bool>,
}

/// The agent.
pub(super) enum Agent {
    Stopped,
    /// It runs; the second value is the proxy variables it knows, where it says so.
    Runs(Box<Status>, Option<Vec<String>>),
    /// It runs and does not answer.
    Silent {
        process: u32,
        stopped: bool,
    },
    /// It runs and cannot be asked.
    Unreachable(String),
}

/// Who is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody on the network.
    #[default]
    Nobody,
    /// The authorization servers, for their metadata.
    Metadata,
    /// Also each MCP server, with its own token.
    Tokens,
}

impl Facts {
    /// # Errors
    /// No store is meant by the value, or no server is called that.
    pub(super) async fn gather(config: &Config, paths: &Paths, wanted: Wanted<'_>) -> Result<Self, Failure> {
        let agent = match reach_patiently(&paths.state).await {
            Ok(None) => Agent::Stopped,
            Ok(Some(status)) => {
                let knows = match socket::ask(&paths.state, &Request::ProxyVariables).await {
                    Ok(Some(Reply::ProxyVariables(names))) => Some(names),
                    _ => None,
                };
                Agent::Runs(Box::new(status), knows)
            }
            Err(RequestError::Silent { pid }) => Agent::Silent { process: pid, stopped: is_stopped(pid) },
            Err(error) => Agent::Unreachable(error.to_string()),
        };
        let (journal_open, journal_trouble) = match Journal::peek(&OsFileSystem, &paths.state) {
            Ok(open) => (open.len(), None),
            Err(error) => (0, Some(error.to_string())),
        };
        let records = Records::peek(OsFileSystem, &paths.state);
        // What is wrong with it is found with the vault.
        let ledger = Ledger::load(&vault_folder(paths)).ok();
        let files = listed_files(config);
        let mut stores = Vec::new();
        // A file in a folder's place is one finding; what cannot be read below it is no news.
        let is_folder = |folder: &StorageFolder| !files.iter().any(|file| file == folder.path());
        for folder in folders(config, paths, &agent).into_iter().filter(is_folder) {
            stores.push(StoreFacts::gather(config, paths, folder, &records, ledger.as_ref()).await);
        }
        let status = match &agent {
            Agent::Runs(status, _) => Cow::Borrowed(&**status),
            _ => Cow::Owned(status_from_disk(config, paths).await),
        };
        let remarks = configuration::remarks(config, paths, &stores, &status);
        let vault = VaultFacts::gather(config, paths, &stores, &status).await;
        drop(status);
        #[cfg(feature = "cluster")]
        let cluster = {
            let status = match &agent {
                Agent::Runs(status, _) => Some(&**status),
                _ => None,
            };
            ClusterFacts::gather(config, wanted.reach != Reach::Nobody, status).await
        };
        if let Some(value) = wanted.store {
            let location =
                chosen_store(config, paths, value, stores.iter().filter_map(|store| store.path.to_str()))?;
            stores.retain(|store| store.path.to_str() == Some(&location));
        }
        let only = match wanted.server {
            Some(name) => Some(server_name(config, paths, &stores, &agent, name).await?),
            None => None,
        };
        let (mut origins, mut offers, mut network_trouble) = (Vec::new(), Map::new(), None);
        let shell_folder = StorageFolder::from_env(&|name| std::env::var_os(name), &paths.home);
        let surroundings = match stores.first() {
            // The client keeps its histories in its configuration: one of 91 MiB takes a second to read.
            Some(StoreFacts { configs: Some(configs), folder, .. }) => {
                Surroundings::read_beside(folder, configs)
            }
            Some(store) => Surroundings::read(&store.folder),
            None => Surroundings::read(&shell_folder),
        };
        let mut passed_over = Vec::new();
        if wanted.reach != Reach::Nobody {
            match network::http(&config.network, &surroundings) {
                Ok((http, told)) => {
                    passed_over = told;
                    let asked = |entry: &Entry| only.as_ref().is_none_or(|only| *only == entry.server_name);
                    origins = ask_origins(&http, &stores, &asked).await;
                    offers = ask_offers(&http, &stores, &asked).await;
                    if wanted.reach == Reach::Tokens {
                        for store in &mut stores {
                            store.refused = ask_servers(&http, &store.entries, &asked).await;
                        }
                    }
                }
                Err(error) => network_trouble = Some(error),
            }
        }
        Ok(Self {
            now: Timestamp::now(),
            remarks,
            files,
            config_trouble: wanted.config_trouble,
            ignoring: Ignoring::read(&paths.config),
            only,
            one_store: wanted.store.is_some(),
            unasked: holder_without_socket(&paths.state).filter(|_| matches!(agent, Agent::Stopped)),
            agent,
            journal_open,
            journal_trouble,
            state_trouble: no_home(&paths.home)
                .or_else(|| foreign(&paths.state))
                .or_else(|| folder_trouble(&paths.state)),
            service: service::service_status(paths),
            proxies: proxy_variables().collect(),
            proxy_configured: config.network.proxy.is_some() || surroundings.settings_name_a_proxy(),
            passed_over,
            trusts_more: !config.network.extra_ca.is_empty() || surroundings.extra_ca().is_some(),
            stores,
            vault,
            #[cfg(feature = "cluster")]
            cluster,
            origins,
            offers,
            pasts: biographies(&paths.state),
            network_trouble,
            shell_folder,
            claude: find_claude(),
            lingers: lingers(Path::new("/"), &|name| std::env::var_os(name)),
            paths: paths.clone(),
        })
    }

    /// Whether the agent cannot run with its state folder, which is a finding of its own.
    pub(super) fn state_keeps_it_from_running(&self) -> bool {
        self.state_trouble.as_ref().is_some_and(|trouble| trouble.why != WhyNot::Full)
    }

    /// What starts the agent here.
    pub(super) fn how_to_start(&self) -> String {
        remedy::how_to_start(Some(self.service.is_some()))
    }

    /// What restarts it.
    pub(super) fn how_to_restart(&self) -> String {
        let process = match &self.agent {
            Agent::Runs(status, _) => status.daemon.as_ref().map(|daemon| daemon.pid),
            Agent::Silent { process, .. } => Some(*process),
            Agent::Stopped | Agent::Unreachable(_) => self.unasked,
        };
        remedy::how_to_restart(self.service.is_some(), process)
    }

    /// The stores that hold the server that is of interest; all of them where none is.
    pub(super) fn concerned(&self) -> impl Iterator<Item = &StoreFacts> {
        self.stores.iter().filter(|store| {
            // One that cannot be read may hold it.
            store.unreadable.is_some() || self.only.as_ref().is_none_or(|only| store.holds(only))
        })
    }

    pub(super) fn runs(&self) -> bool {
        !matches!(self.agent, Agent::Stopped) || self.unasked.is_some()
    }

    /// What the history knows of this entry.
    pub(super) fn past_of(&self, store: &StoreFacts, seen: &ObservedEntry) -> Biography {
        let place = (store.path.display().to_string(), seen.entry.key.to_string());
        self.pasts.get(&place).cloned().unwrap_or_default()
    }

    /// How the last refresh of this entry failed, if the running agent tries it again by itself.
    pub(super) fn tried_again(&self, store: &StoreFacts, seen: &ObservedEntry) -> Option<&str> {
        let Agent::Runs(status, _) = &self.agent else { return None };
        let mut stores = status.stores.iter().filter(|known| Path::new(&known.location) == store.path);
        let entry = stores.find_map(|store| {
            store.entries.iter().find(|entry| entry.key == seen.entry.key.as_str() && entry.is_tried_again())
        })?;
        entry.last.as_ref().map(|last| last.detail.as_str())
    }

    /// Whether the agent holds a new pair for this entry that it could not write yet.
    pub(super) fn waits_to_be_saved(&self, seen: &ObservedEntry) -> bool {
        let Agent::Runs(status, _) = &self.agent else { return false };
        let entries = status.stores.iter().flat_map(|store| &store.entries);
        entries.filter(|entry| entry.key == seen.entry.key.as_str()).any(|entry| entry.unsaved.is_some())
    }
}

/// The name of the server with this name or key.
///
/// # Errors
/// There is none.
async fn server_name(
    config: &Config,
    paths: &Paths,
    stores: &[StoreFacts],
    agent: &Agent,
    name: &str,
) -> Result<String, Failure> {
    let mut entries = stores.iter().flat_map(|store| &store.entries).map(|(seen, _)| &seen.entry);
    if let Some(entry) = entries.find(|entry| entry.server_name == name || entry.key.as_str() == name) {
        return Ok(entry.server_name.clone());
    }
    let vanished =
        |status: &Status| status.stores.iter().any(|store| store.vanished.iter().any(|gone| gone == name));
    let is_gone = matches!(agent, Agent::Runs(status, _) if vanished(status));
    if is_gone || stores.iter().any(|store| store.holds(name)) {
        return Ok(name.to_owned());
    }
    let status = match agent {
        Agent::Runs(status, _) => Cow::Borrowed(&**status),
        _ => Cow::Owned(status_from_disk(config, paths).await),
    };
    // One in the vault.
    let mut entries = status.stores.iter().flat_map(|store| &store.entries);
    match entries.find(|entry| entry.name == name || entry.key == name) {
        Some(entry) => Ok(entry.name.clone()),
        None => Err(status::unknown(&status, name)),
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
    // What is found of the vault has a file of its own.
    status.stores.iter().filter(|store| !store.vault).filter_map(|store| folder(&store.location)).collect()
}

/// The proxy variables that are set for this process. Only their names: a proxy's URL may hold a password.
pub(crate) fn proxy_variables() -> impl Iterator<Item = &'static str> {
    PROXY_VARIABLES.into_iter().filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
