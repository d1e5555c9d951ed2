//! What `status` says first: whether the agent runs, and what to type where it does not.

use crate::control::report::{Daemon, Silent, Status};
use crate::terminal::columns::wrapped;
use crate::terminal::local::Local;
use crate::terminal::remedy;
use crate::terminal::style::Style;
use crate::terminal::wording::{counted, visible};

/// The agent and its stores in a few lines, as wide as the terminal.
pub(super) fn head(status: &Status, local: &Local, style: &Style) -> String {
    let columns = style.size.map_or(usize::MAX, |(columns, _)| columns);
    let read = if status.daemon.is_some() { "Watching" } else { "Read from disk:" };
    let watched: Vec<_> =
        status.stores.iter().filter(|store| status.daemon.is_none() || !store.unwatched).collect();
    let stores = match watched.as_slice() {
        [] => None,
        [store] => Some(format!("{read} {}", visible(&store.location))),
        stores => Some(format!("{read} {}", counted(stores.len(), "store", "stores"))),
    };
    let mut text = String::new();
    for sentence in agent(status, local).into_iter().chain(stores) {
        for line in wrapped(&style.shows(&sentence), columns) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let (words, colour) = match &status.daemon {
        Some(_) => ("Agent running", "32"),
        None if status.found.silent.is_some() => ("Agent not answering", "1;31"),
        None => ("Agent not running", "1;31"),
    };
    text.replacen(words, &style.painted(words, colour), 1)
}

/// Whether the agent runs; where it does not, or does not answer, what to type.
pub(super) fn agent(status: &Status, local: &Local) -> Vec<String> {
    match (&status.daemon, &status.found.silent) {
        (Some(daemon), _) => vec![running(daemon, local)],
        (None, Some(silent)) => hanging(silent, status.found.installed, local),
        (None, None) => {
            vec![format!(
                "Agent not running, nothing is refreshed; to start it, type: {}",
                remedy::how_to_start(status.found.installed)
            )]
        }
    }
}

fn running(daemon: &Daemon, local: &Local) -> String {
    let how = match daemon.service {
        Some(true) => ", as a service".to_owned(),
        Some(false) => format!(", started by hand (process {})", daemon.pid),
        None => String::new(),
    };
    let since = local.clock(daemon.started_at);
    format!("Agent running since {since}, version {}{how}", visible(&daemon.version))
}

fn hanging(silent: &Silent, installed: Option<bool>, local: &Local) -> Vec<String> {
    let pid = silent.pid;
    let stopped = if silent.stopped { ", stopped by a signal" } else { "" };
    let active =
        silent.active_at.map(|at| format!(", last active {} ({})", local.clock(at), local.relative(at)));
    let (verb, command) = remedy::how_to_wake(pid, silent.stopped, installed);
    let cure = format!("To {verb} it, type: {command}");
    vec![format!("Agent not answering (process {pid}{stopped}{})", active.unwrap_or_default()), cure]
}
