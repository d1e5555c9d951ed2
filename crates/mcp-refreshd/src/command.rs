//! From the command line to an exit code.

use crate::agent::runtime::block_on;
use crate::cli::{Cli, Command, HeadersArgs, TokenArgs};
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
use crate::settings::foreign_home::ForeignHome;
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
    // What cannot be had is for the agent to tell, which lives for years.
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
        match ForeignHome::of(paths) {
            None => environment::complete(paths)?,
            Some(foreign) => only_look(&command, foreign)?,
        }
    }
    match command {
        Command::Run { log_file } => run(&paths?, log_file.as_deref()),
        Command::Install(args) => apart(|| service::install(&paths?, &args)),
        Command::Uninstall(args) => apart(|| service::uninstall(&paths?, &args)),
        Command::Start => apart(|| service::start(&paths?)),
        Command::Stop => apart(|| service::stop(&paths?)),
        Command::Restart { dry_run } => apart(|| service::restart(&paths?, dry_run)),
        Command::Reload => apart(|| block_on(reload(&paths?))?),
        Command::Login(args) => apart(|| block_on(login(&paths?, &args))?),
        Command::Own(args) => apart(|| block_on(own(&paths?, &args))?),
        Command::Disown(args) => apart(|| block_on(disown(&paths?, &args))?),
        #[cfg(feature = "cluster")]
        Command::Cluster { command } => {
            apart(|| block_on(crate::commands::cluster::cluster(&paths?, command))?)
        }
        Command::Notice { test: _ } => apart(|| block_on(notice(&paths?))?),
        Command::Status(args) => apart(|| block_on(status(&paths?, &args))?),
        Command::Refresh(args) => apart(|| block_on(refresh(&paths?, args))?),
        Command::Check(args) => apart(|| block_on(check(&paths?, args))?),
        Command::Doctor(args) => apart(|| block_on(doctor(&paths?, args))?),
        Command::History(args) => apart(|| block_on(history(&paths?, args))?),
        Command::Config { defaults: true } => apart(config::defaults),
        Command::Config { defaults: false } => apart(|| block_on(config::config(&paths?))?),
        Command::Logs { follow, lines } => apart(|| logs(&paths?, follow, lines)),
        Command::Headers(args) => apart(|| headers(paths, args, Form::Headers)),
        Command::Token(TokenArgs { name, url, store }) => {
            apart(|| headers(paths, HeadersArgs { name: Some(name), url, store }, Form::Token))
        }
        Command::Completions { shell } => {
            completions::print(shell)?;
            Ok(Exit::Well)
        }
        Command::Names => {
            // Nobody asked for it by typing it, and a message would stand in the middle of what is being typed.
            if let Ok(paths) = paths {
                let _ = apart(|| block_on(completions::print_names(&paths)));
            }
            Ok(Exit::Well)
        }
    }
}

/// In a home folder of another user nothing is written, and that user's agent is not asked: what only looks goes on, where it may.
///
/// # Errors
/// What to type.
fn only_look(command: &Command, foreign: ForeignHome) -> Result<(), Failure> {
    match command {
        // They say it among the rest.
        Command::Doctor(_) => {}
        Command::Status(_) if !foreign.is_closed => {}
        Command::Check(args) if args.quiet && !foreign.is_closed => {}
        Command::Check(_) | Command::History(_) | Command::Config { .. } if !foreign.is_closed => {
            output::message(&foreign.sentence());
        }
        _ => return Err(foreign.into()),
    }
    Ok(())
}

/// Keeps a command's frame out of [`dispatch`], whose own would otherwise be that of all commands together: 80 kB, every page touched.
#[inline(never)]
fn apart<T>(command: impl FnOnce() -> T) -> T {
    command()
}
