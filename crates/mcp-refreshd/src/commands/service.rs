//! `mcp-refreshd install`, `uninstall`, `start`, `stop`, `restart`: the agent as a service of this user.

mod keep;
mod owed;
pub(crate) mod plan;
mod preconditions;
mod purge;
mod running;
mod settle;
mod stores;

pub(crate) use plan::{manager, plan, program_gone, service_status};

use crate::agent::runtime::block_on;
use crate::cli::{InstallArgs, UninstallArgs};
use crate::commands::status::{everything, overview, remarks};
use crate::settings::config::Config;
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::local::Local;
use crate::terminal::output;
use crate::terminal::remedy::by_hand;
use crate::terminal::style::Style;
pub(crate) use preconditions::startable;

use preconditions::{
    Wanted, besides, installed, misconfigured, no_service, nobody_else_runs, not_root, runs_by_hand,
};
use std::fmt::Write as _;
use stores::StoreChoice;
use user_agent_service::{Changes, Installed, ServiceError, ServiceManager, Step, sweep};

/// The last line of every dry run.
const NOTHING_CHANGED: &str = "dry run: nothing was changed\n";

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let by_hand = match error {
            ServiceError::NoManager(_) => format!("; to start it by hand, type: {}", by_hand()),
            _ => String::new(),
        };
        Self::new(Exit::Person, format!("{error}{by_hand}"))
    }
}

/// Installs the service or updates it, starts it, and shows the status.
///
/// # Errors
/// What keeps it from being installed or started.
pub(crate) fn install(paths: &Paths, args: &InstallArgs) -> Result<Exit, Failure> {
    paths.home_exists()?;
    // What nothing cures comes before what an option cures.
    let manager = manager(paths)?;
    manager.present().map_err(|error| besides(no_service(error, paths), paths))?;
    not_root(args.allow_root).map_err(|failure| besides(failure, paths))?;
    let config = Config::load(&paths.config, &paths.home)?;
    let ours = manager.runs().unwrap_or(false);
    if !ours {
        nobody_else_runs(paths)?;
    }
    let choice = match (args.add_store, args.replace_store) {
        (true, _) => StoreChoice::Add,
        (_, true) => StoreChoice::Replace,
        _ => StoreChoice::Unsaid,
    };
    let update = keep::update(&config, paths, choice, service_status(paths).is_some())?;
    let config = update.as_ref().map_or(&config, |update| &update.config);
    let plan = plan(config, paths)?;
    if args.dry_run {
        let installed = manager.preview(&plan)?;
        return preview(&installed, update.as_ref(), ours);
    }
    let restart = owed::Restart::noted(paths, ours);
    let mut changes = Changes::new();
    let written = update.map_or_else(|| Ok(String::new()), |update| update.write(&mut changes));
    let done = written.and_then(|kept| Ok((kept, manager.install(&plan)?)));
    let (kept, installed) = done.inspect_err(|_| restart.taken_back())?;
    changes.keep();
    output::result(&format!("{}{kept}", shown(&installed.steps)))?;
    for remark in &installed.remarks {
        output::message(remark);
    }
    // A sandbox can let the agent write only to what is there when it starts.
    private_folder(&paths.state)?;
    match (ours, installed.needs_restart || !kept.is_empty() || restart.was_owed()) {
        (true, false) => {}
        (true, true) => {
            manager.restart()?;
            output::result("restarted to apply the changes\n")?;
        }
        (false, _) => {
            manager.start()?;
            output::result("started\n")?;
        }
    }
    restart.done();
    block_on(show(paths))?
}

/// What an installation would do.
fn preview(installed: &Installed, update: Option<&keep::Update>, runs: bool) -> Result<Exit, Failure> {
    let mut text = planned(&installed.steps);
    text.push_str(&update.map(keep::Update::planned).unwrap_or_default());
    text.push_str(match (runs, installed.needs_restart || update.is_some()) {
        (true, true) => "would restart the agent\n",
        (true, false) => "",
        (false, _) => "would start the agent\n",
    });
    text.push_str(NOTHING_CHANGED);
    output::result(&text)?;
    for remark in &installed.remarks {
        output::message(remark);
    }
    Ok(Exit::Well)
}

/// The status after an installation. What it shows does not decide how this command ends.
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

/// Removes the service; a token that is not in the store yet is saved first.
///
/// # Errors
/// What keeps it from being removed, a token that cannot be saved for one.
pub(crate) fn uninstall(paths: &Paths, args: &UninstallArgs) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    let standing = service_status(paths);
    if args.purge {
        purge::nothing_is_owned(paths)?;
    }
    if args.dry_run {
        return preview_uninstall(&*manager, paths, args.purge);
    }
    if args.purge {
        purge::agreed(paths, args.yes)?;
    }
    let mut text = String::new();
    match standing.is_some() {
        true => {
            let ran = manager.runs()?;
            settle::end(&*manager, paths)?;
            text.push_str(if ran { "stopped\n" } else { "" });
            text.push_str(&shown(&manager.uninstall()?));
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
            text.push_str(&shown(&left));
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

fn preview_uninstall(manager: &dyn ServiceManager, paths: &Paths, purge: bool) -> Result<Exit, Failure> {
    let steps = manager.preview_uninstall()?;
    let mut text = match service_status(paths) {
        Some(_) => "would stop the agent\n".to_owned(),
        None => "the agent is not installed\n".to_owned(),
    };
    text.push_str(&planned(&steps));
    text.push_str(&if purge { purge::planned(paths) } else { purge::left(paths) });
    text.push_str(NOTHING_CHANGED);
    output::result(&text)?;
    Ok(Exit::Well)
}

/// Starts the service.
///
/// # Errors
/// It is not installed or does not come up.
pub(crate) fn start(paths: &Paths) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    if service_status(paths).is_some() && manager.runs()? {
        output::result("the agent is already running\n")?;
        return Ok(Exit::Well);
    }
    let is_service = service_status(paths).is_some();
    if (manager.present().is_err() || !is_service) && runs_by_hand(paths)? {
        output::result("the agent is already running, started by hand\n")?;
        return Ok(Exit::Well);
    }
    manager.present().map_err(|error| besides(error.into(), paths))?;
    nobody_else_runs(paths)?;
    startable(paths).map_err(|why| why.then("not started"))?;
    let restart = owed::Restart::noted(paths, false);
    manager.start()?;
    restart.done();
    output::result("started\n")?;
    Ok(Exit::Well)
}

/// Stops the service; a token that is not in the store yet is saved first.
///
/// # Errors
/// It cannot be stopped, or a token cannot be saved: then it keeps running.
pub(crate) fn stop(paths: &Paths) -> Result<Exit, Failure> {
    if running::stopped_by_request(paths)? {
        settle::save_what_is_left(paths)?;
        output::result("stopped\n")?;
        return Ok(Exit::Well);
    }
    let manager = manager(paths)?;
    let text = match installed(paths, Wanted::Stopped)? && !manager.runs()? {
        true => "the agent is not running\n",
        false => "stopped\n",
    };
    settle::end(&*manager, paths)?;
    output::result(text)?;
    Ok(Exit::Well)
}

/// Stops the service and starts it again. One that could not start again is left running.
///
/// # Errors
/// As [`start`].
pub(crate) fn restart(paths: &Paths, dry_run: bool) -> Result<Exit, Failure> {
    let manager = manager(paths)?;
    installed(paths, Wanted::Running).map_err(|failure| misconfigured(failure, paths))?;
    let runs = manager.runs()?;
    if !runs {
        nobody_else_runs(paths).map_err(|failure| misconfigured(besides(failure, paths), paths))?;
    }
    let kept = if runs { "not restarted: the agent keeps running as it is" } else { "not started" };
    startable(paths).map_err(|why| why.then(kept))?;
    if dry_run {
        let text = if runs { "would restart the agent\n" } else { "would start the agent\n" };
        output::result(&format!("the configuration is valid\n{text}{NOTHING_CHANGED}"))?;
        return Ok(Exit::Well);
    }
    let restart = owed::Restart::noted(paths, false);
    manager.restart()?;
    restart.done();
    output::result("restarted\n")?;
    Ok(Exit::Well)
}

fn shown(steps: &[Step]) -> String {
    lines(steps, Step::to_string)
}

fn planned(steps: &[Step]) -> String {
    lines(steps, Step::planned)
}

fn lines(steps: &[Step], line: impl Fn(&Step) -> String) -> String {
    steps.iter().fold(String::new(), |mut text, step| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line(step).trim_end());
        text
    })
}
