//! From the command line to an exit code.

use crate::agent::runtime::block_on;
use crate::cli::{Cli, Command};
use crate::commands::check::{self, check};
use crate::commands::completions;
use crate::commands::config;
use crate::commands::doctor::{self, doctor};
use crate::commands::history::{Question, history};
use crate::commands::logs::logs;
use crate::commands::refresh::{self, refresh};
use crate::commands::run::run;
use crate::commands::service;
use crate::commands::status::{status, watch};
use crate::platform::memory;
use crate::settings::environment;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;

/// Carries out a command.
pub(crate) fn execute(cli: Cli) -> Exit {
    match dispatch(cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            output::message(failure.message());
            failure.exit
        }
    }
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    // What cannot be had is for the daemon to tell, which lives for years.
    let _ = memory::keep_private();
    let paths = Paths::of_this_process();
    let alone = matches!(command, Command::Config { defaults: true } | Command::Completions { .. });
    if let (Ok(paths), false) = (&paths, alone) {
        environment::complete(paths)?;
    }
    match command {
        Command::Run { log_file } => run(&paths?, log_file.as_deref()),
        Command::Install { allow_root } => service::install(&paths?, allow_root),
        Command::Uninstall { purge, yes } => service::uninstall(&paths?, &service::Removal { purge, yes }),
        Command::Start => service::start(&paths?),
        Command::Stop => service::stop(&paths?),
        Command::Restart => service::restart(&paths?),
        Command::Status { name, json: _, watch: true } => block_on(watch(&paths?, name.as_deref()))?,
        Command::Status { name, json, watch: false } => block_on(status(&paths?, name.as_deref(), json))?,
        Command::Refresh { names, force, dry_run } => {
            block_on(refresh(&paths?, refresh::Wish { names, force, dry_run }))?
        }
        Command::Check { names, min_valid, live, quiet } => {
            block_on(check(&paths?, check::Wish { names, min_valid, live, quiet }))?
        }
        Command::Doctor { fix, dry_run, yes, offline, live, json } => {
            block_on(doctor(&paths?, doctor::Wish { fix, dry_run, yes, offline, live, json }))?
        }
        Command::History { name, since, json, svg } => {
            block_on(history(&paths?, Question { name, since, json, svg }))?
        }
        Command::Config { defaults: true } => config::defaults(),
        Command::Config { defaults: false } => config::config(&paths?),
        Command::Logs { follow } => logs(&paths?, follow),
        Command::Completions { shell } => {
            completions::print(shell)?;
            Ok(Exit::Well)
        }
    }
}
