//! A grant on its way between the vault and the cluster. At every moment it is in at least one of them. While it is in both, the vault
//! decides, and no member of the cluster presents it. A move that was cut off is settled as soon as etcd answers, or at the next start: a grant
//! that the vault holds stays there, any other is the cluster's.

use super::Cluster;
use crate::agent::vault::moving::{There, look, take_away};
use crate::agent::vault::{Vault, VaultError};
use crate::agent::{Agent, Machine};
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::wording::visible;
use claude_store::{EntryKey, RawEntry, Store};
use compact::Set;
use compact::spawn_local;
use grant_cluster::{KvError, Phase, PutError};
use refresh_engine::Hold;
use std::rc::Rc;
use std::time::Duration;

/// After etcd did not settle a move.
const AGAIN: Duration = Duration::from_secs(2);

impl Agent {
    /// Moves a grant from the vault into the cluster, or back, and says so; or says why it stayed where it was.
    ///
    /// # Errors
    /// Why.
    pub(crate) async fn move_grant(&self, name: &str, add: bool) -> Result<String, String> {
        let cluster = match &self.cluster {
            Some(Ok(cluster)) => cluster,
            Some(Err(why)) => return Err(why.clone()),
            None => return Err("the running agent has no `[cluster]` in its configuration".to_owned()),
        };
        if !cluster.member.has_followed() {
            return Err("etcd has not answered yet; try again".to_owned());
        }
        let (config, paths) = (self.common.config.borrow().clone(), self.common.paths.clone());
        let moved = self.move_by(cluster, name, add, &config, &paths).await;
        if moved.is_err() {
            // In whichever of the two it is: there it can be refreshed as soon as etcd answers.
            let cluster = Rc::clone(cluster);
            spawn_local(async move { cluster.settle_moves(&config, &paths).await });
        }
        moved
    }

    async fn move_by(
        &self,
        cluster: &Cluster,
        name: &str,
        add: bool,
        config: &Config,
        paths: &Paths,
    ) -> Result<String, String> {
        let _one = cluster.moves.lock().await;
        if add {
            let vault = Vault::open(config, paths).map_err(|error| error.to_string())?;
            return self.add(cluster, vault.as_ref(), name).await;
        }
        let vault = Vault::open_or_create(config, paths).await.map_err(|error| error.to_string())?;
        let moved = cluster.take_back(&vault, name).await;
        // A vault that is new.
        self.heed_moves().await.map_err(|error| error.to_string())?;
        moved
    }

    async fn add(&self, cluster: &Cluster, vault: Option<&Vault>, name: &str) -> Result<String, String> {
        let entries = match vault {
            Some(vault) => vault.list().await.map_err(|error| error.to_string())?,
            None => Vec::new(),
        };
        let found = entries.into_iter().find(|entry| entry.server_name == name || entry.key.as_str() == name);
        let (Some(vault), Some(entry)) = (vault, found) else { return cluster.finish(name).await };
        let key = entry.key;
        let _hold: Option<Hold<Machine>> = match self.keeper_of(vault.store.location()) {
            // Nothing runs for it from now on; what ran is saved.
            Some(keeper) => Some(keeper.hold(&key).await),
            None => None,
        };
        let There::Grant { portable, text, .. } =
            look(&vault.store, &key).await.map_err(|error| error.to_string())?
        else {
            return Err(format!("the vault's login of {} has no refresh token", visible(name)));
        };
        cluster.begins(&key)?;
        cluster.member.put(&key, &portable, true).await.map_err(|error| error.to_string())?;
        match take_away(&vault.store, &key, &text).await {
            Ok(true) => {}
            Ok(false) => return Err("another process changed the vault meanwhile; try again".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        cluster.arrives(&key, name).await
    }
}

impl Cluster {
    /// Settles the moves that this agent or an earlier run of it could not end. One whose vault cannot be read stays open: until then no
    /// member presents it.
    pub(crate) async fn settle_moves(&self, config: &Config, paths: &Paths) {
        if self.settling.replace(true) {
            return;
        }
        self.member.followed().await;
        let mut stuck = Set::new();
        while let Some(key) = self.unsettled.all().into_iter().find(|key| !stuck.contains(key)) {
            let name = visible(key.server_name());
            match self.settle(&key, config, paths).await {
                Ok(place) => {
                    if let Some(place) = place {
                        tracing::warn!("the move of {name} was cut off: its login is in {place}");
                    }
                    self.unsettled.forget(&key);
                }
                Err(error) if error.passes() => tokio::time::sleep(AGAIN).await,
                Err(error) => {
                    tracing::warn!("the move of {name} was cut off and cannot be settled yet: {error}");
                    stuck.insert(key);
                }
            }
        }
        self.settling.set(false);
    }

    /// Where the grant is, if it was on its way.
    async fn settle(
        &self,
        key: &EntryKey,
        config: &Config,
        paths: &Paths,
    ) -> Result<Option<&'static str>, Unsettleable> {
        let _one = self.moves.lock().await;
        let there = match Vault::open(config, paths)? {
            Some(vault) => look(&vault.store, key).await?,
            None => There::Nothing,
        };
        Ok(match there {
            There::Grant { .. } => self.member.remove(key).await?.then_some("this machine's vault"),
            There::Nothing => self.member.thaw(key).await?.then_some("the cluster"),
        })
    }

    /// Before the first change: from now on the move is settled at the next start.
    fn begins(&self, key: &EntryKey) -> Result<(), String> {
        self.unsettled.note(key).map_err(|error| format!("the move cannot be noted on this machine: {error}"))
    }

    /// The vault has given it up, or had before.
    async fn arrives(&self, key: &EntryKey, name: &str) -> Result<String, String> {
        let arrived = self.member.thaw(key).await;
        let name = visible(name);
        arrived.map_err(|error| {
            format!("{name} is not in the cluster yet ({error}); the agent goes on as soon as etcd answers")
        })?;
        self.unsettled.forget(key);
        Ok(format!("{name}: its login is in the cluster now"))
    }

    /// What was cut off after the vault had given it up.
    async fn finish(&self, name: &str) -> Result<String, String> {
        let (key, _) = self.named(name).ok_or_else(|| {
            format!(
                "the vault has no login of {0}; type: mcp-refreshd own {0}, or: mcp-refreshd login {0} --own",
                visible(name)
            )
        })?;
        let seen = self.member.seen(&key).ok_or("it was removed meanwhile")?;
        match &seen.record.phase {
            Phase::Moving { by } if by == self.member.name() => self.arrives(&key, name).await,
            Phase::Moving { by } => Err(format!("{} moves it; repeat the command there", visible(by))),
            _ => Ok(format!("{}: its login is in the cluster", visible(name))),
        }
    }

    async fn take_back(&self, vault: &Vault, name: &str) -> Result<String, String> {
        let (key, _) =
            self.named(name).ok_or_else(|| format!("the cluster has no login of {}", visible(name)))?;
        self.begins(&key)?;
        let entry = self.member.freeze(&key).await.map_err(|error| error.to_string())?;
        let there = look(&vault.store, &key).await.map_err(|error| error.to_string())?;
        // An earlier move was cut off: meanwhile the vault has kept it, and what is there may be newer.
        if !matches!(there, There::Grant { .. }) {
            vault.put(&key, entry).await.map_err(|error| error.to_string())?;
        }
        self.member.remove(&key).await.map_err(|error| error.to_string())?;
        self.unsettled.forget(&key);
        Ok(format!("{}: its login is in this machine's vault now", visible(name)))
    }

    fn named(&self, name: &str) -> Option<(EntryKey, RawEntry)> {
        let grants = self.member.grants();
        grants.into_iter().find(|(key, _)| key.as_str() == name || key.server_name() == name)
    }
}

/// Why a move cannot be settled now.
#[derive(Debug, thiserror::Error)]
enum Unsettleable {
    #[error(transparent)]
    Etcd(#[from] PutError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Unsettleable {
    /// Whether etcd may do it in a moment.
    fn passes(&self) -> bool {
        matches!(self, Self::Etcd(PutError::Etcd(KvError::Unknown { .. }) | PutError::Changed))
    }
}
