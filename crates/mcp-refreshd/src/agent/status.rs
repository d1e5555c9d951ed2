//! What `status`, `check` and similar commands report: the stores of the running agent, and those that the command's own environment and
//! configuration name.

use crate::agent::Machine;
use crate::agent::client::ClaudeCode;
use crate::agent::stores::{self, storage_folders};
use crate::agent::unwritable::{Unwritable, unwritable};
use crate::agent::vault::ledger::Ledger;
use crate::agent::vault::{self, Vault};
use crate::control::instance::holder_without_socket;
use crate::control::report::{EntryStatus, Found, Obstacle, Silent, Status, StoreStatus, Unfinished};
use crate::control::socket::{RequestError, reach};
use crate::platform;
use crate::platform::clock::SystemClock;
use crate::settings::config::Config;
use crate::settings::foreign_home::ForeignHome;
use crate::settings::paths::Paths;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use claude_store::{AnyStore, OsFileSystem, Ownership, StorageFolder, Store};
use jiff::Timestamp;
use refresh_engine::{Journal, LastRefresh, Need, Records, State, Unsavable, inspect};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A refresh takes a minute at most, after it may have waited for a lock.
const LONGEST_REFRESH: Duration = Duration::from_secs(2 * 60);

/// The state of everything: from the agent if it answers, else from disk. Stores that the command's configuration names and the agent
/// does not watch are read from disk as well.
///
/// # Errors
/// No agent answers and the configuration cannot be used, or the agent's answer cannot be understood.
pub(crate) async fn gather(paths: &Paths) -> Result<Status, Failure> {
    if let Some(foreign) = ForeignHome::of(paths) {
        return Ok(of_another(paths, &foreign).await);
    }
    let config = Config::load(&paths.config, &paths.home);
    let (answer, silent) = match reach(&paths.state).await {
        Ok(answer) => (answer, None),
        Err(RequestError::Silent { pid }) => (None, Some(silent(pid, &paths.state))),
        Err(RequestError::Ended { .. }) => (None, None),
        Err(error) => return Err(error.into()),
    };
    let (config, misconfigured) = match config {
        Ok(config) => (config, None),
        Err(error) if answer.is_none() && silent.is_none() => {
            let failure = Failure::from(error);
            let message = format!(
                "{}\nThe agent is not running, and cannot start before that is fixed",
                failure.message()
            );
            return Err(Failure::new(failure.exit, message));
        }
        Err(error) => (Config::default(), Some(error.to_string())),
    };
    let answered = answer.is_some();
    let mut status = match answer {
        Some(mut status) => {
            if misconfigured.is_none() {
                status.stores.extend(others(&status, &config, paths).await);
            }
            status
        }
        None => status_from_disk(&config, paths).await,
    };
    for store in status.stores.iter_mut().filter(|store| !answered || store.unwatched) {
        unwatched(store, Timestamp::now());
    }
    for store in &mut status.stores {
        as_listed(store);
        let blocked = unwritable(&store.location);
        for entry in &mut store.entries {
            ending(entry, &store.location, Timestamp::now());
            match &blocked {
                Some(blocked) => held_up(entry, blocked),
                None => cured(entry),
            }
        }
    }
    let unasked = holder_without_socket(&paths.state).filter(|_| !answered && silent.is_none());
    let unfinished = unfinished(&paths.state);
    status.found = Found { silent, unasked, misconfigured, unfinished, ..Found::default() };
    Ok(status)
}

/// In the home folder of another user: what the disk tells. When that user's agent refreshes is not known.
async fn of_another(paths: &Paths, foreign: &ForeignHome) -> Status {
    let (config, misconfigured) = match Config::load(&paths.config, &paths.home) {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(error.to_string())),
    };
    let mut status = status_from_disk(&config, paths).await;
    for entry in status.stores.iter_mut().flat_map(|store| &mut store.entries) {
        entry.next_refresh_at = None;
    }
    status.found = Found {
        foreign: Some(Box::new((foreign.says(), foreign.cure()))),
        misconfigured,
        ..Found::default()
    };
    status
}

/// The state of everything, read from disk. Takes no lock and changes nothing.
pub(crate) async fn status_from_disk(config: &Config, paths: &Paths) -> Status {
    let mut stores = Vec::new();
    for folder in storage_folders(config, paths) {
        stores.push(from_disk(config, paths, &folder).await);
    }
    match Vault::open(config, paths) {
        Ok(Some(vault)) => stores.push(looked_at(config, paths, &vault.folder, &vault.store).await),
        Ok(None) => {}
        Err(error) => stores.push(StoreStatus::of_vault(&vault::folder(paths), error.to_string())),
    }
    Status { stores, ..Status::default() }
}

/// The folders of Claude Code's stores that a command covers: those of its environment and configuration, and those of the agent.
pub(crate) fn folders(config: &Config, paths: &Paths, agent: Option<&Status>) -> Vec<StorageFolder> {
    let mut folders = storage_folders(config, paths);
    let stores = agent.into_iter().flat_map(|status| &status.stores).filter(|store| !store.vault);
    let agents = stores.filter_map(|store| {
        // A Keychain item's location does not name its folder.
        let document = Path::new(&store.location);
        let known = folders.iter().any(|folder| is_same(&folder.credentials_path(), document));
        let folder = document.parent().filter(|_| document.is_absolute() && !known)?;
        Some(StorageFolder::listed(folder, &|name| std::env::var_os(name), &paths.home))
    });
    let agents: Vec<_> = agents.collect();
    folders.extend(agents);
    folders
}

/// Whether the agent that answered keeps the store at this location.
pub(crate) fn watches(agent: &Status, location: &str) -> bool {
    agent.stores.iter().any(|store| is_same(Path::new(&store.location), Path::new(location)))
}

/// Stores of the command's own environment and configuration that the agent does not keep. Missing ones do not count.
async fn others(status: &Status, config: &Config, paths: &Paths) -> Vec<StoreStatus> {
    let mut others = Vec::new();
    for folder in storage_folders(config, paths) {
        let item = stores::location_of_item(config, paths, &folder);
        let document = folder.credentials_path();
        let watched = |store: &StoreStatus| {
            Some(&store.location) == item.as_ref() || is_same(Path::new(&store.location), &document)
        };
        if !status.stores.iter().any(watched) {
            let store = from_disk(config, paths, &folder).await;
            others.extend(Some(store).filter(|store| !store.absent));
        }
    }
    for store in &mut others {
        store.unwatched = true;
    }
    others
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    one == other || real(one) == real(other)
}

async fn from_disk(config: &Config, paths: &Paths, folder: &StorageFolder) -> StoreStatus {
    // The agent reports a journal that cannot be read.
    let unfinished = Journal::peek(&OsFileSystem, &paths.state).unwrap_or_default();
    let owed =
        |location: &str| unfinished.iter().any(|open| open.intent.store == location && open.answer.is_some());
    let store = stores::open(config, paths, folder, &owed).await.store;
    let mut status = looked_at(config, paths, folder, &store).await;
    let is_empty = |entry: &EntryStatus| entry.access.is_none() && entry.refresh.is_none();
    match Ledger::load(&vault::folder(paths)) {
        // What is left there of a server whose login is in the vault.
        Ok(ledger) => {
            let StoreStatus { location, entries, .. } = &mut status;
            entries.retain(|entry| !(is_empty(entry) && ledger.took(location, &entry.key)));
        }
        // Why is told with the vault.
        Err(_) => status.entries.iter_mut().filter(|entry| is_empty(entry)).for_each(maybe_vaulted),
    }
    status
}

async fn looked_at(config: &Config, paths: &Paths, folder: &StorageFolder, store: &AnyStore) -> StoreStatus {
    let records = Records::peek(OsFileSystem, &paths.state);
    let unfinished = Journal::peek(&OsFileSystem, &paths.state).unwrap_or_default();
    let open = unfinished.iter().filter(|open| open.intent.store == store.location()).count();
    let client = ClaudeCode::new(folder);
    let report = inspect::<Machine>(store, &records, &SystemClock, &client, &config.policy, open).await;
    StoreStatus { vault: store.ownership() == Ownership::Own, ..StoreStatus::new(report) }
}

/// Without the ledger nobody knows whether the login is in the vault: a second one would only stand in its way.
fn maybe_vaulted(entry: &mut EntryStatus) {
    entry.why = Some("its login may be in the vault, which cannot be read".to_owned());
    entry.action = None;
}

/// No agent refreshes its entries or wakes resting ones.
fn unwatched(store: &mut StoreStatus, now: Timestamp) {
    store.unwatched = true;
    for entry in &mut store.entries {
        entry.next_refresh_at = None;
        entry.waits_for = None;
        if entry.state == State::Resting {
            let expired = entry.expires_at.is_some_and(|at| at <= now);
            entry.state = if expired { State::Expired } else { State::Due };
        }
    }
}

/// A file that is listed as a store holds no document below it: it is shown as it is listed.
fn as_listed(store: &mut StoreStatus) {
    let file = Path::new(&store.location).parent().filter(|folder| folder.is_file());
    if let Some(file) = file.and_then(Path::to_str) {
        store.location = file.to_owned();
    }
}

/// A login that cannot be refreshed and ends within a day: the user can log in again before that.
fn ending(entry: &mut EntryStatus, store: &str, now: Timestamp) {
    if entry.ends_soon(now) && entry.action.is_none() {
        entry.action = Some(remedy::what_to_type(&Need::NoRefreshToken, &entry.name, store));
    }
}

/// What waits for a refresh waits for the store to be writable again.
fn held_up(entry: &mut EntryStatus, blocked: &Unwritable) {
    let waits = matches!(entry.state, State::Expired | State::Due | State::Retrying);
    if waits && entry.refresh.is_some() && entry.why.is_none() {
        let told = entry.last.as_ref().is_some_and(LastRefresh::is_not_savable)
            || entry.facts.obstacle.as_ref().is_some_and(|obstacle| obstacle.why.is_some());
        entry.why = (!told).then(|| format!("not refreshed: {}", blocked.why));
        entry.action = entry.action.take().or_else(|| blocked.command.clone());
    }
}

/// What kept it from being refreshed is over; the agent finds out at its next attempt.
fn cured(entry: &mut EntryStatus) {
    if entry.why.is_none() && was_access(entry.last.as_ref(), entry.facts.obstacle.as_ref()) {
        entry.facts.obstacle = None;
        entry.why =
            Some("the store can be written again; the agent refreshes it at its next attempt".to_owned());
    }
}

/// Whether it was something that a look at the store shows; the rest may go on.
fn was_access(last: Option<&LastRefresh>, obstacle: Option<&Obstacle>) -> bool {
    let met = obstacle.and_then(|obstacle| obstacle.unsavable);
    met.or(last.and_then(|last| last.unsavable)) == Some(Unsavable::Access)
}

fn silent(pid: u32, state: &Path) -> Silent {
    let files = std::fs::read_dir(state).into_iter().flatten().flatten();
    let written = files.filter_map(|file| Timestamp::try_from(file.metadata().ok()?.modified().ok()?).ok());
    Silent { pid, stopped: platform::is_stopped(pid), active_at: written.max() }
}

/// Transactions that have been open in the journal for too long. A pair superseded by a newer one is kept there on purpose.
fn unfinished(state: &Path) -> Vec<Unfinished> {
    let open = Journal::peek(&OsFileSystem, state).unwrap_or_default().into_iter();
    let now = Timestamp::now();
    let old = open.filter(|open| {
        let age = Duration::try_from(now.duration_since(open.intent.at)).unwrap_or_default();
        open.superseded_by.is_none() && age > LONGEST_REFRESH
    });
    let name = |key: &str| key.rsplit_once('|').map_or(key, |(name, _)| name).to_owned();
    old.map(|open| Unfinished {
        server: name(&open.intent.key),
        began_at: open.intent.at,
        answered: open.answer.is_some(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refresh_engine::Outcome;

    #[test]
    fn what_a_look_at_the_store_shows_is_told_by_its_kind_and_not_by_its_words() {
        let at = Timestamp::UNIX_EPOCH;
        let last = |detail: &str, unsavable| LastRefresh {
            at,
            outcome: Outcome::Unsent,
            detail: detail.to_owned(),
            unsavable,
        };
        let (access, other) = (Some(Unsavable::Access), Some(Unsavable::Other));
        assert!(was_access(Some(&last("closed", access)), None));
        let journal = last("new tokens could not be saved: the journal: permission denied", other);
        assert!(!was_access(Some(&journal), None));
        assert!(!was_access(Some(&last("of an older version: permission denied", None)), None));
        assert!(!was_access(None, None));
        // What was met later counts more.
        let met = |unsavable| Obstacle { since: at, why: Some("immutable".to_owned()), unsavable };
        assert!(was_access(Some(&journal), Some(&met(access))));
        assert!(!was_access(Some(&last("", access)), Some(&met(other))));
        assert!(was_access(Some(&last("", access)), Some(&Obstacle { why: None, ..met(None) })));
    }
}
