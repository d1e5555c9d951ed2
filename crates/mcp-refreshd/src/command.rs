//! From the command line to an exit code.

use crate::agent::runtime::block_on;
use crate::cli::{Cli, Command};
use crate::commands::check::check;
use crate::commands::completions;
use crate::commands::config;
use crate::commands::doctor::doctor;
use crate::commands::headers::{Form, headers};
use crate::commands::history::history;
use crate::commands::login::login;
use crate::commands::logs::logs;
use crate::commands::notice::notice;
use crate::commands::own::{disown, own};
use crate::commands::refresh::refresh;
use crate::commands::reload::reload;
use crate::commands::run::run;
use crate::commands::service;
use crate::commands::status::status;
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
    // The helper takes them up only if no agent answers: that costs more than the answer.
    let alone = matches!(
        command,
        Command::Config { defaults: true }
            | Command::Completions { .. }
            | Command::Names
            | Command::Headers(_)
            | Command::Token(_)
    );
    if let (Ok(paths), false) = (&paths, alone) {
        environment::complete(paths)?;
    }
    match command {
        Command::Run { log_file } => run(&paths?, log_file.as_deref()),
        Command::Install(args) => service::install(&paths?, &args),
        Command::Uninstall(args) => service::uninstall(&paths?, &args),
        Command::Start => service::start(&paths?),
        Command::Stop => service::stop(&paths?),
        Command::Restart { dry_run } => service::restart(&paths?, dry_run),
        Command::Reload => block_on(reload(&paths?))?,
        Command::Login(args) => block_on(login(&paths?, &args))?,
        Command::Own(args) => block_on(own(&paths?, &args))?,
        Command::Disown(args) => block_on(disown(&paths?, &args))?,
        #[cfg(feature = "cluster")]
        Command::Cluster { command } => block_on(crate::commands::cluster::cluster(&paths?, command))?,
        Command::Notice { test: _ } => block_on(notice(&paths?))?,
        Command::Status(args) => block_on(status(&paths?, &args))?,
        Command::Refresh(args) => block_on(refresh(&paths?, args))?,
        Command::Check(args) => block_on(check(&paths?, args))?,
        Command::Doctor(args) => block_on(doctor(&paths?, args))?,
        Command::History(args) => block_on(history(&paths?, args))?,
        Command::Config { defaults: true } => config::defaults(),
        Command::Config { defaults: false } => block_on(config::config(&paths?))?,
        Command::Logs { follow, lines } => logs(&paths?, follow, lines),
        Command::Headers(args) => headers(paths, args.name, args.url, Form::Headers),
        Command::Token(args) => headers(paths, Some(args.name), args.url, Form::Token),
        Command::Completions { shell } => {
            completions::print(shell)?;
            Ok(Exit::Well)
        }
        Command::Names => {
            // Nobody asked for it by typing it, and a message would stand in the middle of what is being typed.
            if let Ok(paths) = paths {
                let _ = block_on(completions::print_names(&paths));
            }
            Ok(Exit::Well)
        }
    }
}
