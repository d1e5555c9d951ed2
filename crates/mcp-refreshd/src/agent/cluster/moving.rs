//! A grant on its way between the vault and the cluster. At every moment it is in at least one of them. While it is in both, the vault
//! decides, and no member of the cluster presents it.

use super::Cluster;
use crate::agent::vault::Vault;
use crate::agent::vault::moving::{There, look, take_away};
use crate::agent::{Agent, Machine};
use crate::terminal::wording::visible;
use claude_store::{EntryKey, RawEntry, Store};
use grant_cluster::Phase;
use refresh_engine::Hold;

impl Agent {
    /// Moves a grant from the vault into the cluster, or back, and says so; or says why it stayed where it was.
    ///
    /// # Errors
    /// Why.
    pub(crate) async fn move_grant(&self, name: &str, add: bool) -> Result<String, String> {
        let cluster =
            self.cluster.as_ref().ok_or("the running agent has no `[cluster]` in its configuration")?;
        if !cluster.member.has_followed() {
            return Err("etcd has not answered yet; try again".to_owned());
        }
        let (config, paths) = (self.common.config.borrow().clone(), self.common.paths.clone());
        if add {
            let vault = Vault::open(&config, &paths).map_err(|error| error.to_string())?;
            return self.add(cluster, vault.as_ref(), name).await;
        }
        let vault = Vault::open_or_create(&config, &paths).await.map_err(|error| error.to_string())?;
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
        cluster.put(&key, &portable, true).await?;
        match take_away(&vault.store, &key, &text).await {
            Ok(true) => {}
            Ok(false) => return Err("another process changed the vault meanwhile; try again".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        cluster.put(&key, &portable, false).await?;
        Ok(format!("{}: its login is in the cluster now", visible(name)))
    }
}

impl Cluster {
    /// What was cut off after the vault had given it up.
    async fn finish(&self, name: &str) -> Result<String, String> {
        let (key, entry) = self.named(name).ok_or_else(|| {
            format!(
                "the vault has no login of {0}; type: mcp-refreshd own {0}, or: mcp-refreshd login {0} --own",
                visible(name)
            )
        })?;
        let seen = self.member.seen(&key).ok_or("it was removed meanwhile")?;
        match &seen.record.phase {
            Phase::Moving { by } if by == self.member.name() => {
                self.put(&key, &entry, false).await?;
                Ok(format!("{}: its login is in the cluster now", visible(name)))
            }
            Phase::Moving { by } => Err(format!("{} moves it; repeat the command there", visible(by))),
            _ => Ok(format!("{}: its login is in the cluster", visible(name))),
        }
    }

    async fn take_back(&self, vault: &Vault, name: &str) -> Result<String, String> {
        let (key, _) =
            self.named(name).ok_or_else(|| format!("the cluster has no login of {}", visible(name)))?;
        let entry = self.member.freeze(&key).await.map_err(|error| error.to_string())?;
        let there = look(&vault.store, &key).await.map_err(|error| error.to_string())?;
        // An earlier move was cut off: meanwhile the vault has kept it, and what is there may be newer.
        if !matches!(there, There::Grant { .. }) {
            vault.put(&key, entry).await.map_err(|error| error.to_string())?;
        }
        self.member.remove(&key).await.map_err(|error| error.to_string())?;
        Ok(format!("{}: its login is in this machine's vault now", visible(name)))
    }

    async fn put(&self, key: &EntryKey, entry: &RawEntry, moving: bool) -> Result<(), String> {
        self.member.put(key, entry, moving).await.map_err(|error| error.to_string())
    }

    fn named(&self, name: &str) -> Option<(EntryKey, RawEntry)> {
        let grants = self.member.grants();
        grants.into_iter().find(|(key, _)| key.as_str() == name || key.server_name() == name)
    }
}
