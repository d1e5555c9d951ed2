//! What `status` says first: whether the agent runs, and what to type where it does not.

use crate::control::report::{Daemon, Silent, Status};
use crate::terminal::columns::{width, wrapped};
use crate::terminal::command_line::command_lines;
use crate::terminal::local::Local;
use crate::terminal::remedy;
use crate::terminal::style::Style;
use crate::terminal::wording::{counted, visible};

/// The agent and its stores in a few lines, as wide as the terminal.
pub(super) fn head(status: &Status, local: &Local, style: &Style) -> String {
    let columns = style.size.map_or(usize::MAX, |(columns, _)| columns);
    let mut text = String::new();
    let stores = stores(status).map(|text| Sentence { text, command: None });
    for sentence in agent(status, local).into_iter().chain(stores) {
        for line in sentence.lines(style, columns) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let (words, colour) = match &status.daemon {
        Some(_) => ("Agent running", "32"),
        None if status.found.silent.is_some() => ("Agent not answering", "1;31"),
        None if status.found.unasked.is_some() => ("Agent without a control socket", "1;31"),
        None => ("Agent not running", "1;31"),
    };
    text.replacen(words, &style.painted(words, colour), 1)
}

/// Which stores are watched, or were read.
pub(super) fn stores(status: &Status) -> Option<String> {
    let read = if status.daemon.is_some() { "Watching" } else { "Read from disk:" };
    let watched: Vec<_> =
        status.stores.iter().filter(|store| status.daemon.is_none() || !store.unwatched).collect();
    match watched.as_slice() {
        [] => None,
        [store] => Some(format!("{read} {}", visible(&store.location))),
        stores => Some(format!("{read} {}", counted(stores.len(), "store", "stores"))),
    }
}

/// Something to say, and a command at its end.
pub(super) struct Sentence {
    text: String,
    command: Option<String>,
}

impl Sentence {
    /// In one line, however long.
    pub(super) fn whole(&self) -> String {
        match &self.command {
            Some(command) => format!("{} {command}", self.text),
            None => self.text.clone(),
        }
    }

    /// For a terminal: where one line does not do, the command begins its own, so that it can be copied.
    fn lines(&self, style: &Style, columns: usize) -> Vec<String> {
        let whole = self.whole();
        let Some(command) = self.command.as_ref().filter(|_| width(&whole) > columns) else {
            return wrapped(&style.shows(&whole), columns);
        };
        let mut lines = wrapped(&style.shows(&self.text), columns);
        lines.extend(command_lines(command, columns));
        lines
    }
}

/// Whether the agent runs; where it does not, or does not answer, what to type.
pub(super) fn agent(status: &Status, local: &Local) -> Vec<Sentence> {
    if let Some((text, command)) = status.found.foreign.as_deref().cloned() {
        return vec![Sentence { text, command: Some(command) }];
    }
    match (&status.daemon, &status.found.silent, status.found.unasked) {
        (Some(daemon), ..) => vec![Sentence { text: running(daemon, local), command: None }],
        (None, Some(silent), _) => hanging(silent, status.found.installed, local),
        (None, None, Some(process)) => vec![Sentence { text: unasked(process), command: None }],
        (None, None, None) => {
            vec![Sentence {
                text: "Agent not running, nothing is refreshed; to start it, type:".to_owned(),
                command: Some(remedy::how_to_start(status.found.installed)),
            }]
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

fn unasked(process: u32) -> String {
    format!(
        "Agent without a control socket (process {process}): it refreshes, but cannot be asked; `mcp-refreshd logs` and `mcp-refreshd doctor` say \
         why"
    )
}

fn hanging(silent: &Silent, installed: Option<bool>, local: &Local) -> Vec<Sentence> {
    let pid = silent.pid;
    let stopped = if silent.stopped { ", stopped by a signal" } else { "" };
    let active =
        silent.active_at.map(|at| format!(", last active {} ({})", local.clock(at), local.relative(at)));
    let (verb, command) = remedy::how_to_wake(pid, silent.stopped, installed);
    let text = format!("Agent not answering (process {pid}{stopped}{})", active.unwrap_or_default());
    let cure = Sentence { text: format!("To {verb} it, type:"), command: Some(command) };
    vec![Sentence { text, command: None }, cure]
}
