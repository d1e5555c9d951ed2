//! What etcd itself says, asked from here: an agent may not run, or may have started before the configuration was as it is.

use crate::agent::cluster::{ClusterError, etcd, key, member_name};
use crate::control::report::Status;
use crate::settings::config::{self, Config};
use claude_store::EntryKey;
use compact::spawn_local;
use grant_cluster::{ClusterKey, Etcd, GrantRecord, KeyError, KeyValues, KvError, Phase};
use refresh_engine::State;
use std::path::PathBuf;
use std::time::Duration;
use token_endpoint::HttpError;

/// The members of etcd have a new leader within about a second of the loss of the old one, and answer nothing before.
const ELECTION: Duration = Duration::from_secs(2);

/// What is known of the cluster.
pub(crate) struct ClusterFacts {
    pub(crate) key_file: PathBuf,
    /// What every key in etcd begins with.
    pub(crate) prefix: String,
    /// This machine's name in it.
    pub(crate) member: String,
    /// Why the cluster's key cannot be used.
    pub(crate) key_trouble: Option<ClusterError>,
    /// Why etcd cannot be asked at all.
    pub(crate) network_trouble: Option<HttpError>,
    /// How many client URLs of etcd were asked.
    pub(crate) asked: usize,
    /// What those said that did not answer.
    pub(crate) silent: Vec<KvError>,
    /// Grants that do not open with the key, and why.
    pub(crate) sealed: Vec<(EntryKey, KeyError)>,
    /// Grants on their way into the cluster or out of it, and the member that moves them.
    pub(crate) moving: Vec<(EntryKey, String)>,
    /// What the running agent says, if it answers.
    pub(crate) agent: Option<AsAgentSees>,
    /// Servers in the cluster that need the user: why, and what to type.
    pub(crate) needs: Vec<(String, String, String)>,
}

/// The cluster as the running agent sees it.
#[derive(Default)]
pub(crate) struct AsAgentSees {
    /// It is a member.
    pub(crate) joined: bool,
    /// Why it cannot reach etcd.
    pub(crate) unreachable: Option<String>,
    /// Grants do not open with the key that it started with.
    pub(crate) sealed: bool,
}

impl ClusterFacts {
    /// `status` is that of the running agent; `ask` says whether etcd may be asked. `None` if no cluster is configured.
    pub(super) async fn gather(config: &Config, ask: bool, status: Option<&Status>) -> Option<Self> {
        let configured = config.cluster.as_ref()?;
        let copy = status.and_then(|status| status.stores.iter().find(|store| store.is_of_cluster()));
        let agent = status.map(|_| AsAgentSees {
            joined: copy.is_some_and(|copy| copy.unreadable.is_none()),
            unreachable: copy.and_then(|copy| copy.cluster.as_ref()?.unreachable.clone()),
            sealed: copy.is_some_and(|copy| !copy.odd.is_empty()),
        });
        let entries = copy.into_iter().flat_map(|copy| &copy.entries);
        let needs = entries
            .filter(|entry| entry.state == State::NeedsPerson)
            .filter_map(|entry| Some((entry.name.clone(), entry.why.clone()?, entry.action.clone()?)));
        let (key, key_trouble) = match key(configured) {
            Ok(key) => (Some(key), None),
            Err(error) => (None, Some(error)),
        };
        let mut facts = Self {
            key_file: configured.key_file.clone(),
            prefix: configured.prefix.clone(),
            member: member_name(configured),
            key_trouble,
            network_trouble: None,
            asked: 0,
            silent: Vec::new(),
            sealed: Vec::new(),
            moving: Vec::new(),
            agent,
            needs: needs.collect(),
        };
        if ask {
            match clients(configured) {
                Ok(clients) => facts.ask(clients, key.as_ref()).await,
                Err(error) => facts.network_trouble = Some(error),
            }
        }
        Some(facts)
    }

    /// Asks all at the same time whether they answer, and one of those that do for the grants.
    async fn ask(&mut self, clients: Vec<Etcd>, key: Option<&ClusterKey>) {
        self.asked = clients.len();
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|client| {
                let prefix = format!("{}members/", self.prefix);
                spawn_local(async move {
                    if client.range(&prefix).await.is_err() {
                        tokio::time::sleep(ELECTION).await;
                        client.range(&prefix).await?;
                    }
                    Ok(client)
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            match task.await {
                Ok(Ok(client)) => answers.push(client),
                Ok(Err(error)) => self.silent.push(error),
                // A panic is reported as such.
                Err(_) => {}
            }
        }
        let Some(client) = answers.first() else { return };
        let prefix = format!("{}grants/", self.prefix);
        match client.range(&prefix).await {
            Ok(snapshot) => {
                let Some(key) = key else { return };
                for one in snapshot.keys {
                    let name = EntryKey::new(one.key.strip_prefix(&prefix).unwrap_or_default());
                    match GrantRecord::open(key, name.as_str(), &one.value).map(|record| record.phase) {
                        Ok(Phase::Moving { by }) => self.moving.push((name, by)),
                        Ok(_) => {}
                        Err(error) => self.sealed.push((name, error)),
                    }
                }
            }
            Err(error) => self.silent.push(error),
        }
    }
}

/// One client for each URL: each is asked by itself.
fn clients(configured: &config::Cluster) -> Result<Vec<Etcd>, HttpError> {
    configured.endpoints.iter().map(|endpoint| etcd(configured, std::slice::from_ref(endpoint))).collect()
}
