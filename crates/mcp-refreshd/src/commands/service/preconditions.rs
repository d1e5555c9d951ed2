//! What has to hold before the service is installed, started or stopped.

use super::plan::{program_gone, service_status};
use super::stores::folders_of_service;
use crate::agent::StartError;
use crate::agent::configuration::broken;
use crate::agent::network;
use crate::agent::runtime::block_on;
use crate::control::socket::{RequestError, reach};
use crate::platform::is_stopped;
use crate::platform::process::is_root;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::settings::surroundings::Surroundings;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::{how_to_end, how_to_restart, how_to_start};
use crate::terminal::wording::visible;
use user_agent_service::ServiceError;

/// Whether an agent could start now, as far as its files tell.
///
/// # Errors
/// What would keep it from starting.
pub(crate) fn startable(paths: &Paths) -> Result<(), Failure> {
    paths.home_exists()?;
    let config = Config::load(&paths.config, &paths.home)?;
    for folder in folders_of_service(&config, paths) {
        network::http(&config.network, &Surroundings::read(&folder)).map_err(StartError::Network)?;
    }
    match program_gone(paths) {
        Some(why) => Err(Failure::new(Exit::Person, why)),
        None => Ok(()),
    }
}

/// What is wanted of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Running,
    Stopped,
}

pub(super) fn installed(paths: &Paths, wanted: Wanted) -> Result<bool, Failure> {
    match service_status(paths) {
        Some(_) => Ok(true),
        None => Err(not_a_service(paths, wanted)),
    }
}

/// What to type if the agent is not a service: `install` helps only where a service manager runs.
fn not_a_service(paths: &Paths, wanted: Wanted) -> Failure {
    let process = match block_on(reach(&paths.state)) {
        Ok(Ok(status)) => status.and_then(|status| status.daemon).map(|daemon| daemon.pid),
        Ok(Err(RequestError::Silent { pid })) => Some(pid),
        _ => None,
    };
    let start = how_to_start(Some(false));
    let message = match process {
        Some(pid) => format!(
            "the agent (process {pid}{stopped}) is not a service; to stop it, type: {end}; to start it again, type: {start}",
            stopped = if is_stopped(pid) { ", stopped by a signal" } else { "" },
            end = how_to_end(pid)
        ),
        None if wanted == Wanted::Stopped => {
            let message = "the agent is not running, and not installed as a service";
            return Failure::new(Exit::Person, message);
        }
        None => {
            format!("the agent is not running, and not installed as a service; to start it, type: {start}")
        }
    };
    besides(Failure::new(Exit::Person, message), paths)
}

/// Why there is no service here, where an agent runs without one.
pub(super) fn no_service(error: ServiceError, paths: &Paths) -> Failure {
    if !matches!(error, ServiceError::NoManager(_)) {
        return error.into();
    }
    let daemon = match block_on(reach(&paths.state)) {
        Ok(Ok(status)) => status.and_then(|status| status.daemon),
        Ok(Err(RequestError::Ended { .. })) | Err(_) => None,
        // It says what to do about it: a second one could not start beside it.
        Ok(Err(unanswered)) => return Failure::new(Exit::Person, format!("{error}; {unanswered}")),
    };
    match daemon {
        Some(daemon) => {
            let pid = daemon.pid;
            let restart = how_to_restart(false, Some(pid));
            let why = format!(
                "{error}; it is already running, started by hand (process {pid}); to restart it, type: {restart}"
            );
            Failure::new(Exit::Person, why)
        }
        None => error.into(),
    }
}

/// A failure, and that no agent would start with the configuration: the cure of the first would end at the second.
pub(super) fn besides(failure: Failure, paths: &Paths) -> Failure {
    match broken(paths) {
        Some(error) => failure.then(&format!("{error}\nno agent can start before that is fixed")),
        None => failure,
    }
}

/// The same failure with the exit code of an invalid configuration, where it is one: no restart gets past it.
pub(super) fn misconfigured(failure: Failure, paths: &Paths) -> Failure {
    match broken(paths) {
        Some(_) => Failure::new(Exit::Usage, failure.message()),
        None => failure,
    }
}

/// The agent serves one user; as root it would look after root's logins, and nobody else's.
pub(super) fn not_root(allowed: bool) -> Result<(), Failure> {
    if allowed || !is_root() {
        return Ok(());
    }
    let who = std::env::var("SUDO_USER").ok().filter(|user| user != "root");
    let who = who.map_or_else(|| "the user whose logins it should refresh".to_owned(), |user| visible(&user));
    Err(Failure::new(
        Exit::Person,
        format!(
            "you are root, and the agent would refresh only root's own logins; run this as {who}, without sudo, \
             or with --allow-root if root itself uses Claude Code"
        ),
    ))
}

/// Whether an agent answers that is no service.
pub(super) fn runs_by_hand(paths: &Paths) -> Result<bool, Failure> {
    let daemon = block_on(reach(&paths.state))??.and_then(|status| status.daemon);
    Ok(daemon.is_some_and(|daemon| daemon.service != Some(true)))
}

/// A second agent would only fail at the first one's lock, again and again.
pub(super) fn nobody_else_runs(paths: &Paths) -> Result<(), Failure> {
    match block_on(reach(&paths.state))??.and_then(|status| status.daemon) {
        Some(daemon) => Err(Failure::new(
            Exit::Person,
            format!(
                "an agent that is not a service is already running (process {pid}); to stop it first, type: {end}",
                pid = daemon.pid,
                end = how_to_end(daemon.pid)
            ),
        )),
        None => Ok(()),
    }
}
