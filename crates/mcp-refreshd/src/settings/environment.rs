//! Adds the configuration's variables to a process whose environment lacks them.

use crate::platform::process::become_command;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::env;
use std::process::Command;

/// Re-executes this program with the configured variables that its environment lacks. Libraries read some of them directly, and a
/// process cannot safely change its own environment.
///
/// # Errors
/// The program cannot be re-executed.
pub(crate) fn complete(paths: &Paths) -> Result<(), Failure> {
    // An invalid configuration is reported by the code that uses it.
    let Ok(config) = Config::load(&paths.config, &paths.home) else { return Ok(()) };
    let lacking = config.environment.lacking_in(&|name| env::var_os(name));
    if lacking.is_empty() {
        return Ok(());
    }
    let failed = |error| {
        Failure::new(
            Exit::Person,
            format!("cannot start again with the configuration's [environment]: {error}"),
        )
    };
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe().map_err(failed)?);
    let name = arguments.next();
    Err(failed(become_command(again.args(arguments).envs(lacking), name)))
}
