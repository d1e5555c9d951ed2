//! `mcp-refreshd logs`: wherever this system keeps the agent's log.

mod follow;
mod line;

use crate::agent::configuration::{broken, remarks};
use crate::cli::Lines;
use crate::control::instance::holder_of;
use crate::platform;
use crate::platform::process::become_command;
use crate::platform::sockets::is_listened_at;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy::{by_hand, how_to_end, how_to_start};
use std::path::PathBuf;

/// Shows the log; with `follow` also what comes. A log file is shown by this process; where there is a service, it becomes the system's own
/// log reader.
///
/// # Errors
/// There is no log, or it cannot be shown.
pub(crate) fn logs(paths: &Paths, follow: bool, lines: Option<Lines>) -> Result<Exit, Failure> {
    if let Some(error) = broken(paths) {
        remarks(&error.to_string(), running(paths).is_some())
            .iter()
            .for_each(|remark| output::message(remark));
    }
    let lines = lines.map(Lines::count);
    let file = file(paths);
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        follow::show(file, follow, lines)?;
        return Ok(Exit::Well);
    }
    if let Some(mut reader) = platform::log_reader(&paths.home, follow, lines) {
        let error = become_command(&mut reader, None);
        let program = reader.get_program().to_string_lossy().into_owned();
        return Err(Failure::new(
            Exit::Person,
            format!("cannot start {program}, which shows the log: {error}"),
        ));
    }
    Err(Failure::new(Exit::Person, nothing_found(running(paths), file)))
}

/// The process id of the agent, if one answers. What the lock file says outlives its writer.
fn running(paths: &Paths) -> Option<u32> {
    let holder = holder_of(&paths.state)?;
    holder.socket.filter(|socket| is_listened_at(socket)).map(|_| holder.pid)
}

/// The file that the agent logs to, or did when it ran last; else the one that the configuration names.
fn file(paths: &Paths) -> Option<PathBuf> {
    let last = holder_of(&paths.state).and_then(|holder| holder.log);
    // A configuration that cannot be used is the agent's to complain about.
    last.or_else(|| Config::load(&paths.config, &paths.home).ok()?.log_file)
}

/// Says where the log is not, and how to keep one.
fn nothing_found(running: Option<u32>, file: Option<PathBuf>) -> String {
    let agent = match running {
        Some(pid) => format!(
            "the agent (process {pid}) was started by hand, and logs to the standard error of `mcp-refreshd run`"
        ),
        None => "the agent is not running".to_owned(),
    };
    let file = match file {
        Some(file) => format!("the log file {} does not exist", file.display()),
        None => "no log file is configured".to_owned(),
    };
    let start = match running {
        Some(pid) => format!("To keep a log, type: {}, then: {}", how_to_end(pid), by_hand()),
        None => format!("To start it, type: {}", how_to_start(Some(false))),
    };
    format!("no log found: {agent}; {file}. {start}")
}
