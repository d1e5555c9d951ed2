//! The running agent, as its control socket shows it.

use crate::agent::runtime::block_on;
use crate::control::instance::holder_of;
use crate::control::protocol::{Reply, Request};
use crate::control::socket::{RequestError, ask, reach_patiently};
use crate::platform::process::STOPS_BY_REQUEST;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use user_agent_service::RunningAgent;

/// More than the minute that the agent gives a request in flight.
const PATIENCE: Duration = Duration::from_secs(75);
/// How often a stopping agent is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The agent of a state folder.
pub(super) struct Running {
    pub(super) state: PathBuf,
}

impl Running {
    /// The agent's process and whether it is a service; `None` if none runs. One that does not say counts as a service.
    fn found(&self) -> Result<Option<(u32, bool)>, String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        match block_on(reach_patiently(&self.state)).map_err(|failure| failure.message().to_owned())? {
            Ok(status) => {
                let daemon = status.and_then(|status| status.daemon);
                Ok(daemon.map(|daemon| (daemon.pid, daemon.service.unwrap_or(true))))
            }
            // It hangs, is ending this very moment, or is of another version.
            Err(
                RequestError::Silent { pid }
                | RequestError::Unreachable { pid, .. }
                | RequestError::Ended { pid },
            ) => Ok(Some((pid, true))),
            Err(RequestError::OtherVersion { .. } | RequestError::Misunderstood { .. }) => {
                Ok(holder_of(&self.state).map(|holder| (holder.pid, true)))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

impl RunningAgent for Running {
    fn process(&self) -> Result<Option<u32>, String> {
        Ok(self.found()?.filter(|(_, service)| *service).map(|(process, _)| process))
    }

    fn ask_to_stop(&self) -> Result<(), String> {
        let reply =
            block_on(ask(&self.state, &Request::Stop)).map_err(|failure| failure.message().to_owned())?;
        match reply.map_err(|error| error.to_string())? {
            Some(Reply::Stopping) | None => Ok(()),
            Some(_) => {
                Err("the running agent is another version, which cannot be stopped like this".to_owned())
            }
        }
    }
}

/// Stops an agent that was started by hand, where no signal does that. False if none runs, or a signal does.
///
/// # Errors
/// It does not stop.
pub(super) fn stopped_by_request(paths: &Paths) -> Result<bool, Failure> {
    let agent = Running { state: paths.state.clone() };
    let failed = |why: String| Failure::new(Exit::Person, why);
    if !STOPS_BY_REQUEST {
        return Ok(false);
    }
    let Some((process, false)) = agent.found().map_err(failed)? else { return Ok(false) };
    agent.ask_to_stop().map_err(failed)?;
    let began = Instant::now();
    while agent.found().map_err(failed)?.is_some_and(|(other, _)| other == process) {
        if began.elapsed() >= PATIENCE {
            return Err(failed(format!(
                "the agent (process {process}) is still waiting for a refresh; try again"
            )));
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}
