//! `mcp-refreshd status`: how everything is, as text, as JSON, and as an exit code.

mod json;
mod table;
mod text;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use json::json;
pub(crate) use table::overview;
pub(crate) use text::{detailed, outcome_words};
pub(crate) use watch::watch;

use crate::action::{self, how_to_mend};
use crate::command::Failure;
use crate::exit::Exit;
use crate::nearest::nearest;
use crate::report::{EntryStatus, Status, StoreStatus};
use crate::words::{counted, visible};
use refresh_engine::State;

/// The exit code that this state of things deserves.
pub(crate) fn exit(status: &Status) -> Exit {
    let mut exit = if status.daemon.is_some() { Exit::Well } else { Exit::NotRunning };
    for store in &status.stores {
        if store.unreadable.is_some() && !store.absent {
            exit = exit.max(Exit::Unreadable);
        }
        let person = store.entries.iter().any(|entry| entry.state == State::NeedsPerson);
        if person || !store.odd.is_empty() || !store.vanished.is_empty() {
            exit = exit.max(Exit::Person);
        }
    }
    exit
}

/// What is to be said besides the servers: about the daemon and the stores.
pub(crate) fn remarks(status: &Status) -> Vec<String> {
    let mut remarks = Vec::new();
    if status.daemon.is_none() {
        remarks.push(
            "the agent does not run; type: mcp-refreshd install (or start, where it is installed)".to_owned(),
        );
    }
    for store in &status.stores {
        remarks.extend(store.unreadable.as_deref().map(visible));
        for (name, why) in &store.odd {
            let cure = action::how_to_mend(name);
            remarks.push(format!("{}: left alone, {}; {cure}", visible(name), visible(why)));
        }
        if !store.vanished.is_empty() {
            let names: Vec<_> = store.vanished.iter().map(|name| visible(name)).collect();
            let entries = counted(names.len(), "entry", "entries");
            remarks.push(format!(
                "{}: {entries} vanished at once ({}); that is no logout, and nothing was written; to have them back \
                 type: mcp-refreshd doctor --fix",
                visible(&store.location),
                names.join(", ")
            ));
        }
    }
    // The daemon counts for all stores together.
    let open = status.stores.iter().map(|store| store.journal_open).max().unwrap_or(0);
    if open > 0 {
        let refreshes = counted(open, "refresh has", "refreshes have");
        remarks.push(format!("{refreshes} not come to an end yet; the journal keeps what was answered"));
    }
    remarks
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
                "{shown} vanished from {} together with others; `mcp-refreshd doctor --fix` puts it back",
                visible(&store.location)
            );
            return Failure::new(Exit::Person, why);
        }
        if let Some((_, why)) = store.odd.iter().find(|(odd, _)| odd == name) {
            let cure = how_to_mend(name);
            return Failure::new(Exit::Person, format!("{shown} is left alone: {}; {cure}", visible(why)));
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
    let mut names: Vec<_> = known.collect();
    names.sort_unstable();
    names.dedup();
    let shown = visible(name);
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("no server is called {shown}; did you mean {}?", visible(near)),
        None if names.is_empty() => format!("no server is called {shown}; the store holds none"),
        None => {
            let listed: Vec<_> = names.iter().take(20).map(|name| visible(name)).collect();
            let more = if names.len() > 20 { ", …" } else { "" };
            format!("no server is called {shown}; there are: {}{more}", listed.join(", "))
        }
    }
}
