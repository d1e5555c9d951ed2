//! This machine's part in a cluster: its grants as one more store of the engine, whose refresh tokens are presented only when the cluster
//! allows it.
//!
//! The store is a file like the vault's, a copy of what etcd holds ([`mirror`]), so that everything that serves and shows tokens works
//! with it, also while etcd cannot be reached. What etcd holds decides; the file is never the reason to present anything.

mod mirror;
mod moving;
mod unsettled;

use crate::agent::stores::storage_folders;
use crate::control::report::{ClusterStatus, StoreStatus};
use crate::platform::clock::SystemClock;
use crate::platform::files;
use crate::platform::process::machine_and_user;
use crate::settings::config::{self, Config};
use crate::settings::paths::{FolderError, Paths, private_folder};
use crate::terminal::remedy;
use claude_store::{AnyStore, EntryKey, FileStore, OsFileSystem, StorageFolder, Store, WriteError};
use compact::spawn_local;
use grant_cluster::{
    Clock, ClusterKey, Etcd, EtcdOptions, Health, KeyError, Member, MemberOptions, OwedAnswers,
};
use jiff::Timestamp;
use refresh_engine::Clock as _;
use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{ClientCertificate, HttpError};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use unsettled::Unsettled;

/// The folder of the copy, in the state folder.
const FOLDER: &str = "cluster";
/// The folder of the answers that etcd lacks, in that folder.
const OWED: &str = "owed";
/// How often to look whether etcd can be reached.
const HEALTH_LOOK: Duration = Duration::from_secs(1);
/// The end of the lease is not worth a longer wait.
const LEAVING: Duration = Duration::from_secs(2);

pub(crate) type Gate = Member<Etcd, SystemClock>;

/// This machine's part in the cluster.
pub(crate) struct Cluster {
    member: Gate,
    location: String,
    pub(crate) folder: StorageFolder,
    /// A second access to the same file, for the copy.
    copy: AnyStore,
    news: RefCell<Option<UnboundedReceiver<EntryKey>>>,
    unsettled: Unsettled,
    /// One move at a time.
    moves: Mutex<()>,
    /// A task settles what was cut off.
    settling: Cell<bool>,
}

/// Why the cluster cannot be joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error("the cluster's key {} cannot be read: {source}", path.display())]
    KeyFile { path: PathBuf, source: io::Error },
    #[error("others may read the cluster's key (mode {mode:03o}); type: chmod 600 {}", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the cluster's key {} cannot be used: {source}", path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error("the configuration's `[cluster]` cannot be used: {0}")]
    Http(#[from] HttpError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the copy of the cluster's grants cannot be created: {0}")]
    Create(#[from] WriteError),
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        self.now().wall
    }

    fn boot(&self) -> Duration {
        self.now().boot
    }
}

impl Cluster {
    /// Opens the copy, and joins the cluster once it is [started](Self::start). Also returns the copy as a store to keep.
    ///
    /// # Errors
    /// The key, a certificate file or the state folder cannot be used.
    pub(crate) async fn open(
        configured: &config::Cluster,
        config: &Config,
        paths: &Paths,
    ) -> Result<(Rc<Self>, AnyStore), ClusterError> {
        let key = key(configured)?;
        let folder = folder(paths);
        for folder in [&paths.state, &folder, &folder.join(OWED)] {
            private_folder(folder)?;
        }
        let etcd = etcd(configured, &configured.endpoints)?;
        let options = MemberOptions {
            name: member_name(configured),
            prefix: configured.prefix.clone(),
            lease: configured.lease,
        };
        let (member, news) =
            Member::new(etcd, SystemClock, key, options, OwedAnswers::in_folder(&folder.join(OWED)));
        let unsettled = Unsettled::in_folder(&folder);
        let client = storage_folders(config, paths).into_iter().next();
        let client = client.unwrap_or_else(|| StorageFolder::at(&folder, &paths.home));
        let folder = client.with_storage(folder);
        let file = FileStore::own(OsFileSystem, &folder);
        if !folder.credentials_path().exists() {
            file.create().await?;
        }
        let (store, copy) = (AnyStore::File(file), AnyStore::File(FileStore::own(OsFileSystem, &folder)));
        let location = store.location().to_owned();
        remedy::remember(&location, &folder);
        remedy::remember_cluster(&location);
        let news = RefCell::new(Some(news));
        let (moves, settling) = (Mutex::default(), Cell::default());
        let cluster = Self { member, location, folder, copy, news, unsettled, moves, settling };
        Ok((Rc::new(cluster), store))
    }

    /// Who says whether a refresh token may be presented.
    pub(crate) fn gate(&self) -> Gate {
        self.member.clone()
    }

    /// Where the copy is.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// Joins the cluster, and has the copy follow it; says when that has changed. Must be called inside a
    /// [`LocalSet`](tokio::task::LocalSet).
    pub(crate) fn start(self: Rc<Self>, copied: impl Fn() + 'static) {
        let member = self.member.clone();
        spawn_local(async move { member.run().await });
        let cluster = Rc::clone(&self);
        spawn_local(async move { cluster.tell_health().await });
        let news = self.news.borrow_mut().take();
        if let Some(news) = news {
            spawn_local(async move { self.follow(news, &copied).await });
        }
    }

    /// Ends the lease: others need not wait for this member.
    pub(crate) async fn leave(&self) {
        if self.member.owed() > 0 {
            tracing::warn!("etcd lacks {} answers; they are delivered at the next start", self.member.owed());
        }
        let _ = tokio::time::timeout(LEAVING, self.member.leave()).await;
    }

    /// Adds what the cluster says to the status of the copy.
    pub(crate) fn tell(&self, status: &mut StoreStatus) {
        let unreachable = match self.member.health() {
            Health::Unreachable { why } => Some(why),
            Health::Unknown => Some("it has not answered yet".to_owned()),
            Health::Reachable => None,
        };
        let refreshed_by = status.entries.iter().filter_map(|entry| {
            let seen = self.member.seen(&EntryKey::new(entry.key.as_str()))?;
            Some((entry.key.clone(), seen.record.refreshed?.by))
        });
        let member = self.member.name().to_owned();
        status.cluster = Some(ClusterStatus { member, unreachable, refreshed_by: refreshed_by.collect() });
        let unreadable = self.member.unreadable();
        status.odd.extend(unreadable.into_iter().map(|(key, why)| (key.server_name().to_owned(), why)));
    }

    /// Logs when etcd is lost and found.
    async fn tell_health(&self) {
        let mut told = None;
        loop {
            tokio::time::sleep(HEALTH_LOOK).await;
            let now = match self.member.health() {
                Health::Unreachable { why } => Some(why),
                Health::Unknown | Health::Reachable => None,
            };
            match (&now, &told) {
                (Some(why), None) => tracing::warn!(
                    "etcd cannot be reached ({why}): the cluster's tokens are kept as they are, and none is refreshed"
                ),
                (None, Some(_)) => tracing::info!("etcd is reached again"),
                _ => {}
            }
            told = now;
        }
    }
}

/// The folder of the copy.
pub(crate) fn folder(paths: &Paths) -> PathBuf {
    paths.state.join(FOLDER)
}

/// This machine's name in the cluster.
pub(crate) fn member_name(configured: &config::Cluster) -> String {
    let of_machine = || machine_and_user().split(' ').next().unwrap_or_default().to_owned();
    configured.member.clone().unwrap_or_else(of_machine)
}

/// etcd as configured, by these of its client URLs. Nothing is sent yet.
///
/// # Errors
/// A certificate file cannot be used.
pub(crate) fn etcd(configured: &config::Cluster, endpoints: &[String]) -> Result<Etcd, HttpError> {
    Etcd::new(&EtcdOptions {
        endpoints: endpoints.to_vec(),
        ca_files: configured.ca_file.iter().cloned().collect(),
        certificate: configured.certificate.as_ref().map(|certificate| ClientCertificate {
            certificate: certificate.clone(),
            key: configured.certificate_key.clone(),
            passphrase: None,
        }),
    })
}

/// The key that all members share.
///
/// # Errors
/// Its file cannot be read, others may read it, or it holds no key.
pub(crate) fn key(configured: &config::Cluster) -> Result<ClusterKey, ClusterError> {
    let path = &configured.key_file;
    let failed = |source| ClusterError::KeyFile { path: path.clone(), source };
    let mut file = files::opening_no_link().read(true).open(path).and_then(files::regular).map_err(failed)?;
    let mode = files::mode(&file.metadata().map_err(failed)?);
    if mode & 0o077 != 0 {
        return Err(ClusterError::Exposed { path: path.clone(), mode });
    }
    let mut bytes = oauth_secret::SecretBytes::with_capacity(64);
    Read::by_ref(&mut file).take(64).read_to_end(&mut bytes).map_err(failed)?;
    ClusterKey::new(&bytes).map_err(|source| ClusterError::Key { path: path.clone(), source })
}
