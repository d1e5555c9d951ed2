use super::head::{Sentence, agent, stores};
use super::reason::is_stuck;
use super::shown::shown;
use crate::agent::configuration;
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::exit::Exit;
use crate::terminal::local::Local;
use crate::terminal::remedy;
use crate::terminal::wording::{counted, visible};
use refresh_engine::State;

/// The exit code of `status`: 1 where the user is needed, or where a token has expired and nothing refreshes it.
pub(crate) fn exit(status: &Status) -> Exit {
    let mut exit = match (&status.daemon, &status.found.foreign) {
        (Some(_), _) => Exit::Well,
        // It may run.
        (None, Some(_)) => Exit::Person,
        (None, None) => Exit::NotRunning,
    };
    for store in &status.stores {
        if (store.unreadable.is_some() && !store.absent) || (status.daemon.is_some() && is_gone(store)) {
            exit = exit.max(Exit::Unreadable);
        }
        let person =
            |entry: &EntryStatus| entry.state == State::NeedsPerson || is_stuck(entry, store.unwatched);
        if store.entries.iter().any(person) || !store.odd.is_empty() || !store.vanished.is_empty() {
            exit = exit.max(Exit::Person);
        }
    }
    exit
}

/// That the agent does not run or does not answer, for where no [head](super::head) says it.
pub(crate) fn without_agent(status: &Status, local: &Local) -> Vec<String> {
    if status.daemon.is_some() {
        return Vec::new();
    }
    agent(status, local).iter().map(Sentence::whole).collect()
}

/// What a terminal shows first: whether the agent runs, and which stores this is about.
pub(crate) fn about_the_agent(status: &Status, local: &Local) -> Vec<String> {
    let status = &shown(status);
    let mut lines = agent(status, local).iter().map(Sentence::whole).collect::<Vec<_>>();
    if let (Some(_), Some(stores), [line]) = (&status.daemon, stores(status), lines.as_mut_slice()) {
        line.push_str(&format!("; {}", stores.replacen("Watching", "watching", 1)));
    }
    lines
}

/// What is to be said besides the servers and the agent.
pub(crate) fn remarks(status: &Status, local: &Local) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(why) = &status.found.misconfigured {
        remarks.extend(configuration::remarks(why, status.daemon.is_some()));
    }
    if status.daemon.is_some() {
        let unwatched = status.stores.iter().filter(|store| store.unwatched);
        remarks.extend(unwatched.map(|store| not_watched(&store.location)));
    }
    for store in &status.stores {
        remarks.extend(match is_gone(store) {
            true => Some(gone(store)),
            false => {
                store.unreadable.as_deref().filter(|_| !store.absent || has_no_entries(status)).map(visible)
            }
        });
        remarks.extend(vanished(store));
    }
    for refresh in &status.found.unfinished {
        let answer = if refresh.answered {
            "its new tokens are safe in the journal; the agent saves them as soon as it runs and the store can be written"
        } else {
            "whether the server answered is not known; the agent settles that as soon as it runs"
        };
        let began = local.clock(refresh.began_at);
        remarks.push(format!(
            "{}: the refresh that began at {began} has not finished; {answer}",
            visible(&refresh.server)
        ));
    }
    remarks
}

/// The entries that are not understood, for where they have [no row](super::shown).
pub(crate) fn left_alone(status: &Status) -> Vec<String> {
    let odd = status.stores.iter().flat_map(|store| store.odd.iter().map(move |odd| (store, odd)));
    odd.map(|(store, (name, why))| remedy::left_alone(name, why, &store.location)).collect()
}

/// A store that this command's environment or configuration names, and the agent's does not.
pub(crate) fn not_watched(location: &str) -> String {
    format!(
        "the agent does not watch {}, which this shell's environment or the configuration names; to watch it, list its folder in \
         `stores` in the configuration and restart the agent",
        visible(location)
    )
}

/// Whether the store was deleted while the agent watched it.
fn is_gone(store: &StoreStatus) -> bool {
    store.absent && !store.entries.is_empty()
}

fn gone(store: &StoreStatus) -> String {
    format!(
        "{} is gone, as after `claude auth logout`: Claude Code has none of these logins now, but the agent still remembers them. \
         To restore them, log in to Claude Code, then type: mcp-refreshd doctor --fix",
        visible(&store.location)
    )
}

fn has_no_entries(status: &Status) -> bool {
    status.stores.iter().all(|store| store.entries.is_empty())
}

fn vanished(store: &StoreStatus) -> Option<String> {
    let names: Vec<_> = store.vanished.iter().map(|name| visible(name)).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: {} vanished together or with the account login ({}); nothing was written. To restore them, type: mcp-refreshd doctor --fix",
            visible(&store.location),
            counted(names.len(), "entry", "entries"),
            names.join(", ")
        )
    })
}
