use super::StoreFacts;
use crate::agent::vault::ledger::{Ledger, Phase};
use crate::agent::vault::{self, Vault, VaultError};
use crate::commands::own::{asks_us, is_ours, leads_nowhere, program_of};
use crate::control::report::Status;
use crate::platform::process::user_id;
use crate::settings::config::Config;
use crate::settings::paths::{FolderError, Paths};
use crate::terminal::remedy;
use claude_store::{Entry, OsFileSystem, ServerPlaces};
use refresh_engine::State;
use std::path::PathBuf;

/// What is known of the vault, and of the configurations that lead there.
pub(crate) struct VaultFacts {
    /// Why it cannot be read, and what to do.
    pub(crate) unreadable: Option<(String, String)>,
    /// Servers whose grant is on its way, and the command that goes on.
    pub(crate) moving: Vec<(String, &'static str)>,
    /// Servers in the vault that no configuration of Claude Code asks the agent for.
    pub(crate) not_configured: Vec<String>,
    /// Servers in the vault that need the user: why, and what to type.
    pub(crate) needs: Vec<(String, String, String)>,
    /// Every helper in a configuration that asks this program.
    pub(crate) helpers: Vec<HelperFacts>,
}

/// One helper that asks this program.
pub(crate) struct HelperFacts {
    pub(crate) server: String,
    pub(crate) file: PathBuf,
    /// Its program, and whether that is gone.
    pub(crate) program: PathBuf,
    pub(crate) is_gone: bool,
    /// Whether the user wrote it, as the documentation of the helper says.
    pub(crate) by_hand: bool,
    /// Whether the grant is in the vault.
    pub(crate) owned: bool,
}

impl VaultFacts {
    pub(super) async fn gather(
        config: &Config,
        paths: &Paths,
        stores: &[StoreFacts],
        status: &Status,
    ) -> Option<Self> {
        let vaults = status.stores.iter().filter(|store| store.vault && !store.is_of_cluster());
        let kept = vaults.flat_map(|store| &store.entries);
        let needs = kept
            .filter(|entry| entry.state == State::NeedsPerson)
            .filter_map(|entry| Some((entry.name.clone(), entry.why.clone()?, entry.action.clone()?)));
        let mut facts = Self {
            unreadable: None,
            moving: Vec::new(),
            not_configured: Vec::new(),
            needs: needs.collect(),
            helpers: Vec::new(),
        };
        let opened = match Vault::open(config, paths) {
            Ok(vault) => vault?,
            Err(error) => return Some(Self { unreadable: Some(unreadable(&error)), ..facts }),
        };
        let owned = match opened.list().await {
            Ok(entries) => entries,
            Err(error) => return Some(Self { unreadable: Some(unreadable(&error)), ..facts }),
        };
        let ledger = Ledger::load(&vault::folder(paths)).unwrap_or_default();
        for one in ledger.moves.iter().filter(|one| one.phase != Phase::Owned) {
            facts
                .moving
                .push((one.name.clone(), if one.phase == Phase::Entering { "own" } else { "disown" }));
        }
        for entry in &owned {
            facts.look(entry, true, stores, &ledger);
            let configured = facts.helpers.iter().any(|helper| helper.server == entry.server_name);
            if !configured {
                facts.not_configured.push(entry.server_name.clone());
            }
        }
        let shared = stores.iter().flat_map(|store| &store.entries).map(|(seen, _)| &seen.entry);
        for entry in shared.filter(|entry| !owned.iter().any(|other| other.key == entry.key)) {
            facts.look(entry, false, stores, &ledger);
        }
        Some(facts)
    }

    /// Notes the helpers of one server.
    fn look(&mut self, entry: &Entry, owned: bool, stores: &[StoreFacts], ledger: &Ledger) {
        let (Some(url), name) = (&entry.server_url, &entry.server_name) else { return };
        for store in stores {
            let files = ServerPlaces::new(OsFileSystem, &store.folder);
            for place in files.find(name, url).unwrap_or_default() {
                let Some(helper) = place.helper.as_ref().filter(|helper| asks_us(helper, name)) else {
                    continue;
                };
                self.helpers.push(HelperFacts {
                    server: name.clone(),
                    program: program_of(helper, name).unwrap_or_default(),
                    is_gone: leads_nowhere(helper, name),
                    by_hand: !is_ours(helper, name) || ledger.is_by_hand(name, &place) == Some(true),
                    file: place.file,
                    owned,
                });
            }
        }
    }
}

/// The error, and what to do.
fn unreadable(error: &VaultError) -> (String, String) {
    let named = || "what the message names".to_owned();
    let cure = match error {
        VaultError::Folder(FolderError::NotOurs { path, .. }) => remedy::give_with_content(user_id(), path),
        VaultError::Closed { command, .. } => command.clone(),
        VaultError::Read(error) => error.command().unwrap_or_else(named),
        _ => named(),
    };
    (error.to_string(), cure)
}
