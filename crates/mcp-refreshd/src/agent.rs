//! Connects the engine to this machine: one keeper per store, and the requests that go to all of them.

pub(crate) mod access;
pub(crate) mod chosen_store;
pub(crate) mod client;
#[cfg(feature = "cluster")]
pub(crate) mod cluster;
pub(crate) mod config_check;
pub(crate) mod configuration;
mod done;
pub(crate) mod folders;
pub(crate) mod moves;
pub(crate) mod network;
pub(crate) mod runtime;
pub(crate) mod status;
pub(crate) mod stores;
pub(crate) mod unwritable;
pub(crate) mod vault;

use crate::control::protocol::Done;
use crate::control::report::{Daemon, Status, StoreStatus};
use crate::observers::Observers;
use crate::observers::history::History;
use crate::observers::log::LogObserver;
use crate::observers::notices::Notices;
use crate::platform::clock::SystemClock;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use claude_store::{AnyStore, NeedsAuthCache, OsFileSystem, Ownership, StorageFolder, Store};
use client::ClaudeCode;
use compact::Map;
use compact::spawn_local;
use done::done;
use network::Network;
use refresh_engine::{
    Grants, Hold, Journal, JournalError, Keeper, Mode, Partners, Records, RecordsError, Setup,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stores::storage_folders;
use token_endpoint::HttpError;
use tokio::task::JoinHandle;
use vault::moving::settle_moves;
use vault::{Vault, VaultError, late};

/// This machine as the engine sees it.
#[derive(Debug)]
pub(crate) struct Machine;

impl Partners for Machine {
    type Files = OsFileSystem;
    type Store = AnyStore;
    type Endpoint = Network;
    type Clock = SystemClock;
    type Client = ClaudeCode;
    type Observer = Observers;
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the configuration's `[network]` cannot be used: {0}")]
    Network(#[from] HttpError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            StartError::Network(_) => Exit::Usage,
            StartError::Records(_) | StartError::Journal(_) | StartError::Vault(_) => Exit::Person,
        };
        Self::new(exit, error.to_string())
    }
}

/// All keepers.
pub(crate) struct Agent {
    kept: RefCell<Vec<Rc<Kept>>>,
    /// Entries that are left alone because their grant moves to or from the vault, by key.
    held: RefCell<Map<String, Vec<Hold<Machine>>>>,
    observer: Rc<Observers>,
    /// What every keeper is started with.
    common: Common,
    /// Which access tokens were handed out.
    handouts: RefCell<access::Handouts>,
    /// This machine's part in the cluster, or why it has none although one is configured.
    #[cfg(feature = "cluster")]
    cluster: Option<Result<Rc<cluster::Cluster>, String>>,
}

/// What the keepers of one agent share.
struct Common {
    config: RefCell<Config>,
    paths: Paths,
    records: Records<OsFileSystem>,
    journal: Journal<OsFileSystem>,
    grants: Grants<Machine>,
    mode: Mode,
}

/// A store and its keeper.
pub(crate) struct Kept {
    pub(crate) folder: StorageFolder,
    pub(crate) keeper: Keeper<Machine>,
    /// How to reach the servers, set up as for the client that uses this folder.
    pub(crate) network: Rc<Network>,
    /// Something wakes the keeper when its store changes.
    pub(crate) watched: Cell<bool>,
}

impl Agent {
    /// Starts a keeper for each store. Only one process at a time may do this per state folder. Must be called inside a
    /// [`LocalSet`](tokio::task::LocalSet).
    ///
    /// # Errors
    /// The journal, the records, the vault or the network settings cannot be used.
    pub(crate) async fn start(config: &Config, paths: &Paths, mode: Mode) -> Result<Self, StartError> {
        let observer = Rc::new(Observers {
            log: LogObserver::default(),
            history: History::open(&paths.state),
            notices: Notices::new(config.notices.clone()),
        });
        let (records, trouble) = Records::load(OsFileSystem, &paths.state)?;
        if let Some(trouble) = trouble {
            tracing::warn!("{trouble}");
        }
        let (journal, mut unfinished, damaged) = Journal::open(OsFileSystem, &paths.state).await?;
        if damaged > 0 {
            tracing::warn!("skipped {damaged} lines of the journal that a crash had cut off");
        }
        let mut opened = Vec::new();
        for folder in storage_folders(config, paths) {
            let owed = |location: &str| {
                unfinished.iter().any(|open| open.intent.store == location && open.answer.is_some())
            };
            let network = Rc::new(Network::new(&config.network, &folder).await?);
            let store = stores::open(config, paths, &folder, &owed).await;
            store.tell();
            opened.push((folder, store.store, network));
        }
        match Vault::open(config, paths) {
            Ok(Some(Vault { store, folder })) => {
                // Before anything is presented from either store.
                let clients = || opened.iter().map(|(_, store, _)| store);
                if let Some(_mover) = settle_moves(paths, &store, clients()).await? {
                    late::take_in_all(paths, &store, clients(), &records).await?;
                }
                let network = Rc::new(Network::new(&config.network, &folder).await?);
                opened.push((folder, store, network));
            }
            Ok(None) => {}
            // The logins of Claude Code's stores are kept all the same.
            Err(error) => tracing::error!("the logins in the vault are not refreshed: {error}"),
        }
        #[cfg(feature = "cluster")]
        let cluster = match (&config.cluster, mode) {
            (Some(configured), Mode::Watch) => {
                match cluster::Cluster::open(configured, config, paths).await {
                    Ok((cluster, store)) => {
                        let network = Network::new(&config.network, &cluster.folder).await?;
                        let network = Rc::new(network.gated(cluster.gate()));
                        opened.push((cluster.folder.clone(), store, network));
                        Some(Ok(cluster))
                    }
                    Err(error) => {
                        tracing::error!("the grants of the cluster are not served: {error}");
                        Some(Err(error.to_string()))
                    }
                }
            }
            // Alone, nobody may present what the cluster holds.
            _ => None,
        };
        // Start all keepers before any of them runs: none may present a token until all have reported what the journal knows of it.
        let config = RefCell::new(config.clone());
        let common =
            Common { config, paths: paths.clone(), records, journal, grants: Grants::default(), mode };
        let agent = Self {
            kept: RefCell::default(),
            held: RefCell::default(),
            observer,
            common,
            handouts: RefCell::default(),
            #[cfg(feature = "cluster")]
            cluster,
        };
        for (folder, store, network) in opened {
            let location = store.location().to_owned();
            let (ours, others) = unfinished.into_iter().partition(|open| open.intent.store == location);
            unfinished = others;
            agent.keep(folder, store, network, ours);
        }
        for open in unfinished {
            let store = &open.intent.store;
            tracing::warn!(
                "the journal holds a refresh for {store}, which is not a configured store; it stays in the journal"
            );
        }
        #[cfg(feature = "cluster")]
        if let Some(Ok(cluster)) = &agent.cluster
            && let Some(keeper) = agent.keeper_of(cluster.location())
        {
            Rc::clone(cluster).start(move || keeper.store_changed());
            let (cluster, config) = (Rc::clone(cluster), agent.common.config.borrow().clone());
            let paths = paths.clone();
            spawn_local(async move { cluster.settle_moves(&config, &paths).await });
        }
        // A move that another process is making now.
        if let Err(error) = agent.heed_moves().await {
            tracing::debug!("{error}");
        }
        Ok(agent)
    }

    /// Starts a keeper.
    fn keep(
        &self,
        folder: StorageFolder,
        store: AnyStore,
        network: Rc<Network>,
        unfinished: Vec<refresh_engine::Unfinished>,
    ) {
        sweep(&store, &folder);
        let Common { config, records, journal, grants, mode, .. } = &self.common;
        let keeper = Keeper::start(Setup {
            store,
            endpoint: Rc::clone(&network),
            clock: SystemClock,
            client: ClaudeCode::new(&folder),
            observer: Rc::clone(&self.observer),
            policy: config.borrow().policy.clone(),
            records: records.clone(),
            journal: journal.clone(),
            unfinished,
            needs_auth: NeedsAuthCache::new(OsFileSystem, folder.needs_auth_path()),
            grants: grants.clone(),
            mode: *mode,
        });
        self.kept.borrow_mut().push(Rc::new(Kept { folder, keeper, network, watched: Cell::new(false) }));
    }

    /// Takes a new configuration for the stores that are kept from now on.
    pub(crate) fn set_config(&self, config: &Config) {
        self.common.config.replace(config.clone());
    }

    /// The keeper of the store at this location.
    fn keeper_of(&self, location: &str) -> Option<Keeper<Machine>> {
        let kept = self.kept.borrow();
        kept.iter().find(|kept| kept.keeper.location() == location).map(|kept| kept.keeper.clone())
    }

    pub(crate) fn kept(&self) -> Vec<Rc<Kept>> {
        self.kept.borrow().clone()
    }

    pub(crate) fn observer(&self) -> &Observers {
        &self.observer
    }

    /// Returns once every store has been scanned.
    pub(crate) async fn first_scan(&self) {
        for kept in self.kept() {
            kept.keeper.first_scan().await;
        }
    }

    /// The state of everything.
    pub(crate) fn status(&self, daemon: Option<Daemon>) -> Status {
        let kept = self.kept();
        let stores = kept.iter().map(|kept| StoreStatus {
            vault: kept.keeper.store().ownership() == Ownership::Own,
            ..StoreStatus::new(kept.keeper.report())
        });
        let mut stores: Vec<_> = stores.collect();
        #[cfg(feature = "cluster")]
        match &self.cluster {
            Some(Ok(cluster)) => stores
                .iter_mut()
                .filter(|store| store.location == cluster.location())
                .for_each(|store| cluster.tell(store)),
            Some(Err(why)) => {
                let folder = cluster::folder(&self.common.paths);
                stores.push(StoreStatus::of_cluster(&folder, why.clone()));
            }
            None => {}
        }
        if let Err(error) = Vault::open(&self.common.config.borrow(), &self.common.paths) {
            stores.push(StoreStatus::of_vault(&vault::folder(&self.common.paths), error.to_string()));
        }
        Status { daemon, stores, ..Status::default() }
    }

    /// Refreshes the named servers concurrently, in the store at this location or in every store, and waits for the results.
    pub(crate) async fn refresh(&self, names: &[String], force: bool, store: Option<&str>) -> Vec<Done> {
        let tasks: Vec<_> = self
            .kept()
            .iter()
            .filter(|kept| store.is_none_or(|store| kept.keeper.report().location == store))
            .map(|kept| {
                let (keeper, names) = (kept.keeper.clone(), names.to_vec());
                spawn_local(async move {
                    let ends = keeper.refresh(&names, force).await;
                    let report = keeper.report();
                    ends.into_iter().map(|end| done(end, &report)).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap_or_default());
        }
        all
    }

    /// Restores the entries that vanished together from the store at this location, and returns the names of their servers.
    pub(crate) async fn restore(&self, store: &str) -> Vec<String> {
        let mut names = Vec::new();
        for kept in self.kept().iter().filter(|kept| kept.keeper.report().location == store) {
            names.extend(kept.keeper.restore_vanished().await);
        }
        names
    }

    /// Starts nothing new, and returns once everything that was running has ended and is saved.
    pub(crate) async fn drain(&self) {
        // A move that was cut off is settled at the next start.
        drop(self.held.take());
        let tasks: Vec<JoinHandle<()>> = self
            .kept()
            .iter()
            .map(|kept| {
                let keeper = kept.keeper.clone();
                spawn_local(async move { keeper.drain().await })
            })
            .collect();
        for task in tasks {
            // There is nothing to wait for in a task that panicked.
            let _ = task.await;
        }
        #[cfg(feature = "cluster")]
        if let Some(Ok(cluster)) = &self.cluster {
            cluster.leave().await;
        }
    }

    /// The number of refreshes in flight.
    pub(crate) fn running(&self) -> usize {
        self.kept.borrow().iter().map(|kept| kept.keeper.running()).sum()
    }
}

fn sweep(store: &AnyStore, folder: &StorageFolder) {
    let file = match store {
        AnyStore::File(file) => file,
        AnyStore::Guarded(guarded) => guarded.file(),
        AnyStore::Keychain(_) | AnyStore::Keyring(_) => return,
    };
    if let Err(error) = file.sweep() {
        tracing::debug!(
            "cannot clean up temporary files of an earlier run in {}: {error}",
            folder.path().display()
        );
    }
}
