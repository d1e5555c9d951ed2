//! What the agent does while grants move between Claude Code's store and the vault: it leaves them alone.

use super::stores::{self, storage_folders};
use super::vault::ledger::{Ledger, Mover, Phase};
use super::vault::moving::settle_moves;
use super::vault::{self, Vault, VaultError, late};
use super::{Agent, StartError, sweep};
use crate::agent::network::Network;
use claude_store::{EntryKey, Store};
use std::rc::Rc;

impl Agent {
    /// Reads the vault's ledger again: leaves alone what moves, goes on with what has moved, and keeps a vault that is new. On return
    /// nothing is running for an entry that moves.
    ///
    /// # Errors
    /// The vault cannot be used; nothing changed.
    pub(crate) async fn heed_moves(&self) -> Result<(), StartError> {
        let (config, paths) = (self.common.config.borrow().clone(), &self.common.paths);
        let Some(vault) = Vault::open(&config, paths)? else { return Ok(()) };
        let location = vault.store.location().to_owned();
        if self.keeper_of(&location).is_none() {
            let network = Rc::new(Network::new(&config.network, &vault.folder).await?);
            self.keep(vault.folder, vault.store, network, Vec::new());
        }
        let Some(own) = self.keeper_of(&location) else { return Ok(()) };
        let moves = Ledger::load(&vault::folder(paths)).map_err(VaultError::from)?.moves;
        for kept in self.kept() {
            let here = moves.iter().filter(|one| one.store == kept.keeper.location());
            kept.keeper.disregard(here.map(|one| EntryKey::new(one.key.as_str())).collect());
        }
        for one in moves.iter().filter(|one| one.phase != Phase::Owned) {
            if self.held.borrow().contains_key(&one.key) {
                continue;
            }
            let key = EntryKey::new(one.key.as_str());
            let mut holds = vec![own.hold(&key).await];
            if let Some(client) = self.keeper_of(&one.store) {
                holds.push(client.hold(&key).await);
                match one.phase {
                    Phase::Entering => own.take_record_from(&client, &key),
                    Phase::Leaving => client.take_record_from(&own, &key),
                    Phase::Owned => {}
                }
            }
            self.held.borrow_mut().insert(one.key.clone(), holds);
        }
        let moving = |key: &String| moves.iter().any(|one| one.key == *key && one.phase != Phase::Owned);
        let ended: Vec<_> = self.held.borrow().keys().filter(|key| !moving(key)).cloned().collect();
        for key in ended {
            let holds = self.held.borrow_mut().remove(&key);
            for hold in holds.into_iter().flatten() {
                hold.release().await;
            }
        }
        Ok(())
    }

    /// Takes what clients wrote for grants in the vault. False if it has to be tried again.
    ///
    /// # Errors
    /// As [`heed_moves`](Self::heed_moves).
    pub(crate) async fn take_in_late(&self) -> Result<bool, StartError> {
        let (config, paths) = (self.common.config.borrow().clone(), &self.common.paths);
        let Some(vault) = Vault::open(&config, paths)? else { return Ok(true) };
        let Some(own) = self.keeper_of(vault.store.location()) else { return Ok(true) };
        let folder = vault::folder(paths);
        let Some(_mover) = Mover::claim(&folder).map_err(VaultError::from)? else { return Ok(false) };
        let ledger = Ledger::load(&folder).map_err(VaultError::from)?;
        let mut all = true;
        for client in self.kept().iter().map(|kept| &kept.keeper) {
            let came_back = client.returned();
            for one in late::owned(&ledger, client.location()) {
                let key = EntryKey::new(one.key.as_str());
                if !came_back.contains(&key) {
                    continue;
                }
                // What is on the wire is finished and saved first.
                let holds = [own.hold(&key).await, client.hold(&key).await];
                let taken = late::take_in(&vault.store, client.store(), one, &self.common.records).await;
                for hold in holds {
                    hold.release().await;
                }
                if let Err(error) = taken {
                    tracing::warn!("{}: {} {error}", one.name, late::NOT_YET);
                    all = false;
                }
            }
        }
        Ok(all)
    }

    /// Whether grants move now.
    pub(crate) fn moves(&self) -> bool {
        !self.held.borrow().is_empty()
    }

    /// Finishes what a process left halfway that was to move grants; moves that go on are left alone.
    ///
    /// # Errors
    /// As [`heed_moves`](Self::heed_moves).
    pub(crate) async fn settle_cut_off(&self) -> Result<(), StartError> {
        if !self.moves() {
            return Ok(());
        }
        let (config, paths) = (self.common.config.borrow().clone(), &self.common.paths);
        let Some(vault) = Vault::open(&config, paths)? else { return Ok(()) };
        let mut clients = Vec::new();
        for folder in storage_folders(&config, paths) {
            clients.push(stores::open(&config, paths, &folder, &|_| false).await.store);
        }
        if let Some(_mover) = settle_moves(paths, &vault.store, clients.iter()).await? {
            // What the process left beside the documents.
            self.kept().iter().for_each(|kept| sweep(kept.keeper.store(), &kept.folder));
        }
        self.heed_moves().await
    }
}
