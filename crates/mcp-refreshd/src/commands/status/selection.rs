use crate::agent::chosen_store::chosen_store;
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::left_alone;
use crate::terminal::suggest::no_server_is_called;
use crate::terminal::wording::visible;
use std::path::Path;

/// Only the store that the value names, where there is one.
///
/// # Errors
/// There is none; the stores are named.
pub(super) fn of_store(paths: &Paths, mut status: Status, value: Option<&Path>) -> Result<Status, Failure> {
    let Some(value) = value else { return Ok(status) };
    // A running agent may have another configuration than the file, which only a Keychain depends on here.
    let config = Config::load(&paths.config, &paths.home).unwrap_or_default();
    let location =
        chosen_store(&config, paths, value, status.stores.iter().map(|store| store.location.as_str()))?;
    status.stores.retain(|store| store.location == location);
    Ok(status)
}

/// Only the entries of this name or key.
///
/// # Errors
/// There is none; what comes nearest is named.
pub(crate) fn only(mut status: Status, name: &str) -> Result<Status, Failure> {
    let fits = |entry: &EntryStatus| entry.name == name || entry.key == name;
    let known = |store: &StoreStatus| {
        store.entries.iter().any(fits)
            || store.odd.iter().any(|(odd, _)| odd == name)
            || store.vanished.iter().any(|vanished| vanished == name)
    };
    if !status.stores.iter().any(known) {
        return Err(unknown(&status, name));
    }
    for store in &mut status.stores {
        store.entries.retain(fits);
        store.odd.retain(|(odd, _)| odd == name);
        store.vanished.retain(|vanished| vanished == name);
    }
    Ok(status)
}

/// Why a command can do nothing with a name that no entry has.
pub(crate) fn unknown(status: &Status, name: &str) -> Failure {
    let shown = visible(name);
    for store in &status.stores {
        if store.vanished.iter().any(|vanished| vanished == name) {
            let why = format!(
                "{shown} vanished from {} together with others; `mcp-refreshd doctor --fix` restores it",
                visible(&store.location)
            );
            return Failure::new(Exit::Person, why);
        }
        if let Some((_, why)) = store.odd.iter().find(|(odd, _)| odd == name) {
            return Failure::new(Exit::Person, left_alone(name, why, &store.location));
        }
    }
    let unreadable =
        status.stores.iter().filter(|store| !store.absent).find_map(|store| store.unreadable.as_ref());
    match unreadable {
        // It may well be in there.
        Some(why) => Failure::new(Exit::Unreadable, visible(why)),
        None => Failure::new(Exit::Usage, not_called(status, name)),
    }
}

fn not_called(status: &Status, name: &str) -> String {
    let known = status.stores.iter().flat_map(|store| &store.entries).map(|entry| entry.name.as_str());
    no_server_is_called(name, known)
}
