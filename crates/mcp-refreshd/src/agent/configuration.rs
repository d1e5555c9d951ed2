//! The configuration that a command goes by where the file cannot be used.

use crate::agent::stores::storage_folders;
use crate::control::report::Status;
use crate::control::socket::RequestError;
use crate::settings::config::{Config, ConfigError, ListedStore};
use crate::settings::paths::Paths;
use crate::terminal::failure::Failure;
use crate::terminal::wording::visible;
use refresh_engine::{ServerPolicy, State};
use std::path::Path;

/// A configuration, and what is to be said of it.
pub(crate) struct Usable {
    pub(crate) config: Config,
    /// A line each; empty unless the file cannot be used.
    pub(crate) remarks: Vec<String>,
}

/// The configuration of the file. Where that cannot be used and an agent runs, what is known of the agent's: it keeps the one that it started with.
///
/// # Errors
/// No agent runs, and the file cannot be used.
pub(crate) fn usable(paths: &Paths, agent: &Result<Option<Status>, RequestError>) -> Result<Usable, Failure> {
    match (Config::load(&paths.config, &paths.home), agent) {
        (Ok(config), _) => Ok(Usable { config, remarks: Vec::new() }),
        (Err(error), Ok(Some(status))) => {
            Ok(Usable { config: of_agent(status), remarks: remarks(&error.to_string(), true) })
        }
        (Err(error), Err(RequestError::Silent { .. })) => {
            Ok(Usable { config: Config::default(), remarks: remarks(&error.to_string(), false) })
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// What is wrong with the file, and which configuration holds.
pub(crate) fn remarks(why: &str, agent_answers: bool) -> Vec<String> {
    let holds = match agent_answers {
        true => "the agent keeps the configuration that it started with",
        false => "defaults are used",
    };
    // Several mistakes are several lines.
    why.lines().map(visible).chain([holds.to_owned()]).collect()
}

/// That the file cannot be used, for a command that does not depend on it.
pub(crate) fn broken(paths: &Paths) -> Option<ConfigError> {
    Config::load(&paths.config, &paths.home).err()
}

/// The same with the stores of a status besides, as far as their locations tell.
pub(crate) fn with_stores_of(config: Config, status: &Status, paths: &Paths) -> Config {
    let known = storage_folders(&config, paths);
    let is_new = |folder: &&Path| folder.is_absolute() && !known.iter().any(|known| known.path() == *folder);
    let folders = status.stores.iter().filter(|store| !store.vault);
    let folders = folders.filter_map(|store| Path::new(&store.location).parent().filter(is_new));
    let mut stores = config.stores.clone().unwrap_or_else(|| vec![ListedStore::Default]);
    stores.extend(folders.map(|folder| ListedStore::Folder(folder.to_owned())));
    Config { stores: Some(stores), ..config }
}

/// The stores that the agent keeps and the servers that it ignores; of the rest the defaults.
fn of_agent(status: &Status) -> Config {
    let mut stores: Vec<_> =
        status.stores.iter().filter(|store| !store.vault).map(|store| listed(&store.location)).collect();
    stores.dedup();
    let mut config = Config { stores: (!stores.is_empty()).then_some(stores), ..Config::default() };
    let entries = status.stores.iter().flat_map(|store| &store.entries);
    for entry in entries.filter(|entry| entry.state == State::Ignored) {
        let ignored = ServerPolicy { ignore: true, ..ServerPolicy::default() };
        config.policy.servers.insert(entry.name.clone(), ignored);
    }
    config
}

/// A Keychain item does not say its folder.
fn listed(location: &str) -> ListedStore {
    let folder = Path::new(location).parent().filter(|folder| folder.is_absolute());
    folder.map_or(ListedStore::Default, |folder| ListedStore::Folder(folder.to_owned()))
}
