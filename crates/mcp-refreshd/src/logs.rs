//! `mcp-refreshd logs`: wherever this system keeps the agent's log.

use crate::command::Failure;
use crate::exit::Exit;
use crate::instance::holder_of;
use crate::paths::Paths;
use crate::platform;
use std::os::unix::process::CommandExt;

/// Shows the log; with `follow` also what comes. Where there is a service, this process becomes the system's own log reader.
///
/// # Errors
/// Always: no log is kept, or its reader cannot be started.
pub(crate) fn logs(paths: &Paths, follow: bool) -> Result<Exit, Failure> {
    if let Some(mut reader) = platform::log_reader(&paths.home, follow) {
        let error = reader.exec();
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
             where that was started. To keep it, type: mcp-refreshd run 2>>~/mcp-refreshd.log"
        ),
    ))
}
