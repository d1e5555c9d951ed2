use super::StoreFacts;
use crate::agent::vault::ledger::{Ledger, Phase};
use crate::agent::vault::{self, Vault, VaultError};
use crate::commands::own::{is_ours, program_of};
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
    /// Every helper of ours in a configuration.
    pub(crate) helpers: Vec<HelperFacts>,
}

/// One helper of ours.
pub(crate) struct HelperFacts {
    pub(crate) server: String,
    pub(crate) file: PathBuf,
    /// Its program, and whether that exists.
    pub(crate) program: PathBuf,
    pub(crate) exists: bool,
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
            facts.look(entry, true, stores);
            let configured = facts.helpers.iter().any(|helper| helper.server == entry.server_name);
            if !configured {
                facts.not_configured.push(entry.server_name.clone());
            }
        }
        let shared = stores.iter().flat_map(|store| &store.entries).map(|(seen, _)| &seen.entry);
        for entry in shared.filter(|entry| !owned.iter().any(|other| other.key == entry.key)) {
            facts.look(entry, false, stores);
        }
        Some(facts)
    }

    /// Notes the helpers of one server.
    fn look(&mut self, entry: &Entry, owned: bool, stores: &[StoreFacts]) {
        let Some(url) = &entry.server_url else { return };
        for store in stores {
            let files = ServerPlaces::new(OsFileSystem, &store.folder);
            for place in files.find(&entry.server_name, url).unwrap_or_default() {
                let Some(helper) = place.helper.filter(|helper| is_ours(helper, &entry.server_name)) else {
                    continue;
                };
                let program = program_of(&helper);
                self.helpers.push(HelperFacts {
                    server: entry.server_name.clone(),
                    file: place.file,
                    exists: program.exists(),
                    program,
                    owned,
                });
            }
        }
    }
}

/// The error, and what to do.
fn unreadable(error: &VaultError) -> (String, String) {
    let cure = match error {
        VaultError::Folder(FolderError::NotOurs { path, .. }) => remedy::give_with_content(user_id(), path),
        _ => "what the message names".to_owned(),
    };
    (error.to_string(), cure)
}
