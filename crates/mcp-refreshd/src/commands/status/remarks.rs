use crate::control::report::Status;
use crate::terminal::exit::Exit;
use crate::terminal::remedy;
use crate::terminal::wording::{counted, visible};
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
        remarks.push(format!("the agent does not run; type: {}", remedy::how_to_start(None)));
    }
    for store in &status.stores {
        remarks.extend(store.unreadable.as_deref().map(visible));
        for (name, why) in &store.odd {
            let cure = remedy::how_to_repair(name, &store.location);
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
