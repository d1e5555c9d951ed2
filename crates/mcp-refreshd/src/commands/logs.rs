//! `mcp-refreshd logs`: wherever this system keeps the agent's log.

mod follow;

use crate::control::instance::holder_of;
use crate::platform;
use crate::platform::process::become_command;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::path::PathBuf;

/// Shows the log; with `follow` also what comes. Where a file is kept, it is shown; where there is a service, this process becomes
/// the system's own log reader.
///
/// # Errors
/// No log is kept, or it cannot be shown.
pub(crate) fn logs(paths: &Paths, follow: bool) -> Result<Exit, Failure> {
    if let Some(file) = file(paths) {
        follow::show(&file, follow)?;
        return Ok(Exit::Well);
    }
    if let Some(mut reader) = platform::log_reader(&paths.home, follow) {
        let error = become_command(&mut reader, None);
        let program = reader.get_program().to_string_lossy().into_owned();
        return Err(Failure::new(
            Exit::Person,
            format!("{program}, which shows the log, cannot be started: {error}"),
        ));
    }
    let which = match holder_of(&paths.state) {
        Some(holder) => format!("the agent (process {}) was not started by a service", holder.pid),
        None => "the agent does not run and is no service here".to_owned(),
    };
    Err(Failure::new(
        Exit::Person,
        format!(
            "{which}, so nothing keeps its log: it goes to standard error of `mcp-refreshd run`, \
             where that was started. To keep it, type: mcp-refreshd run --log-file ~/mcp-refreshd.log"
        ),
    ))
}

/// The file that the agent logs into, or did when it ran last; else the one that it is going to.
fn file(paths: &Paths) -> Option<PathBuf> {
    match holder_of(&paths.state) {
        Some(holder) => holder.log,
        // A configuration that cannot be used is the agent's to complain about.
        None => Config::load(&paths.config, &paths.home).ok()?.log_file.filter(|file| file.exists()),
    }
}
