//! `mcp-refreshd install`, `uninstall`, `start`, `stop`, `restart`: the agent as a service of this user.

mod keep;
mod owed;
mod plan;
mod purge;
mod settle;

pub(crate) use plan::{manager, plan, program_gone, service_status};

use crate::agent::runtime::block_on;
use crate::cli::UninstallArgs;
use crate::commands::status::{everything, overview, remarks};
use crate::control::socket::reach;
use crate::platform::process::is_root;
use crate::settings::config::Config;
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::local::Local;
use crate::terminal::output;
use crate::terminal::style::Style;
use crate::terminal::wording::visible;
use std::fmt::Write as _;
use user_agent_service::{Changes, ServiceError, Step, sweep};

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

/// Installs the service or brings it up to date, starts it, and shows how everything is.
///
/// # Errors
/// What keeps it from being installed or started.
pub(crate) fn install(paths: &Paths, allow_root: bool) -> Result<Exit, Failure> {
    not_root(allow_root)?;
    let config = Config::load(&paths.config, &paths.home)?;
    let manager = manager(paths)?;
    let ours = manager.runs().unwrap_or(false);
    if !ours {
        nobody_else_runs(paths)?;
    }
    let restart = owed::Restart::noted(paths, ours);
    let mut changes = Changes::new();
    let done = keep::keep(&config, paths, &mut changes)
        .and_then(|kept| Ok((kept, manager.install(&plan(&config, paths)?)?)));
    let (kept, installed) = done.inspect_err(|_| restart.taken_back())?;
    changes.keep();
    output::result(&format!("{}{kept}", told(&installed.steps)))?;
    for remark in &installed.remarks {
        output::message(remark);
    }
    // A sandbox can let the agent write only to what is there when it starts.
    private_folder(&paths.state)?;
    match (ours, installed.needs_restart || !kept.is_empty() || restart.was_owed()) {
        (true, false) => {}
        (true, true) => {
            manager.restart()?;
            output::result("restarted with what is new\n")?;
        }
        (false, _) => {
            manager.start()?;
            output::result("started\n")?;
        }
    }
    restart.done();
    block_on(show(paths))?
}

/// How everything is, after an installation. What it shows is news, not this command's end.
async fn show(paths: &Paths) -> Result<Exit, Failure> {
    let status = everything(paths).await?;
    let local = Local::now();
    let text = overview(&status, &local, &Style::of_stdout());
    output::result(&format!("\n{text}"))?;
    for remark in remarks(&status, &local) {
        output::message(&remark);
    }
    Ok(if status.daemon.is_some() { Exit::Well } else { Exit::NotRunning })
}

/// Takes the service away; a token that is not in the store yet is saved first.
///
/// # Errors
/// What keeps it from being taken away, a token that cannot be saved for one.
pub(crate) fn uninstall(paths: &Paths, args: &UninstallArgs) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    let standing = service_status(paths);
    if args.purge {
        purge::agreed(paths, args.yes)?;
    }
    let mut text = String::new();
    match standing.is_some() {
        true => {
            let ran = manager.runs()?;
            settle::end(&*manager, paths)?;
            text.push_str(if ran { "stopped\n" } else { "" });
            text.push_str(&told(&manager.uninstall()?));
        }
        false => {
            if args.purge {
                settle::save_what_is_left(paths)?;
            }
            // A kill may have come between the last file and the word to the manager.
            let left = match manager.uninstall() {
                Err(ServiceError::NoManager(_) | ServiceError::Unreachable(_)) => Vec::new(),
                other => other?,
            };
            text.push_str(&told(&left));
            text.push_str("the agent was not installed\n");
        }
    }
    output::result(&text)?;
    paths.config.parent().map(sweep);
    let rest = match args.purge {
        true => purge::purge(paths)?,
        false => purge::left(paths),
    };
    output::result(&rest)?;
    Ok(Exit::Well)
}

/// Starts the service.
///
/// # Errors
/// It is not installed or does not come up.
pub(crate) fn start(paths: &Paths) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    if service_status(paths).is_some() && manager.runs()? {
        output::result("the agent runs already\n")?;
        return Ok(Exit::Well);
    }
    nobody_else_runs(paths)?;
    let restart = owed::Restart::noted(paths, false);
    manager.start()?;
    restart.done();
    output::result("started\n")?;
    Ok(Exit::Well)
}

/// Ends the service; a token that is not in the store yet is saved first.
///
/// # Errors
/// It cannot be ended, or a token cannot be saved: then it goes on.
pub(crate) fn stop(paths: &Paths) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    let told = match installed(paths)? && !manager.runs()? {
        true => "the agent does not run\n",
        false => "stopped\n",
    };
    settle::end(&*manager, paths)?;
    output::result(told)?;
    Ok(Exit::Well)
}

/// Ends the service and starts it again.
///
/// # Errors
/// As [`start`].
pub(crate) fn restart(paths: &Paths) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    installed(paths)?;
    if !manager.runs()? {
        nobody_else_runs(paths)?;
    }
    let restart = owed::Restart::noted(paths, false);
    manager.restart()?;
    restart.done();
    output::result("restarted\n")?;
    Ok(Exit::Well)
}

fn installed(paths: &Paths) -> Result<bool, Failure> {
    match service_status(paths) {
        Some(_) => Ok(true),
        None => Err(ServiceError::NotInstalled.into()),
    }
}

/// The agent serves one user; as root it would look after root's logins, and nobody else's.
fn not_root(allowed: bool) -> Result<(), Failure> {
    if allowed || !is_root() {
        return Ok(());
    }
    let who = std::env::var("SUDO_USER").ok().filter(|user| user != "root");
    let who = who.map_or_else(|| "the user whose logins it is to keep".to_owned(), |user| visible(&user));
    Err(Failure::new(
        Exit::Person,
        format!(
            "this is root, and the agent would look after root's own Claude Code only; type it as {who}, without sudo, \
             or with --allow-root if root itself uses Claude Code"
        ),
    ))
}

/// A second agent would only fail at the first one's lock, again and again.
fn nobody_else_runs(paths: &Paths) -> Result<(), Failure> {
    match block_on(reach(&paths.state))??.and_then(|status| status.daemon) {
        Some(daemon) => Err(Failure::new(
            Exit::Person,
            format!(
                "an agent runs already that is no service (process {pid}); end it first: kill {pid}",
                pid = daemon.pid
            ),
        )),
        None => Ok(()),
    }
}

fn told(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |mut text, step| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", step.to_string().trim_end());
        text
    })
}
