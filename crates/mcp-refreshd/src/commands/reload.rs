//! `mcp-refreshd reload`: the running agent reloads its configuration.

use crate::commands::service::startable;
use crate::control::protocol::{Reloaded, Reply, Request};
use crate::control::report::Daemon;
use crate::control::socket::{self, RequestError};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy::how_to_restart;
use crate::terminal::wording::visible;

/// Carries out the command.
///
/// # Errors
/// No agent is running, it does not answer, or the configuration is invalid.
pub(crate) async fn reload(paths: &Paths) -> Result<Exit, Failure> {
    // One that hangs is not waited for.
    let agent = socket::reach_patiently(&paths.state).await.map_err(not_reloaded)?;
    let agent = agent.and_then(|status| status.daemon);
    match socket::ask(&paths.state, &Request::Reload).await.map_err(not_reloaded)? {
        Some(Reply::Reloaded(Reloaded { invalid: Some(why), .. })) => {
            Err(Failure::new(Exit::Usage, why).then("not reloaded: the agent keeps its old configuration"))
        }
        Some(Reply::Reloaded(reloaded)) => {
            output::prose(&shown(&reloaded, agent.as_ref()))?;
            reloaded.remarks.iter().for_each(|remark| output::message(remark));
            Ok(Exit::Well)
        }
        Some(_) => {
            let restart = restart(agent.as_ref());
            Err(Failure::new(
                Exit::Person,
                format!("the agent did not reload; to restart it, type: {restart}"),
            ))
        }
        None => {
            startable(paths)
                .map_err(|why| why.then("no agent is running, and none can start before that is fixed"))?;
            let text =
                "no agent is running; the configuration is valid, and an agent reads it when it starts";
            Err(Failure::new(Exit::NotRunning, text))
        }
    }
}

fn not_reloaded(error: RequestError) -> Failure {
    Failure::from(error).then("not reloaded: the agent keeps its old configuration")
}

fn restart(agent: Option<&Daemon>) -> String {
    let is_service = agent.is_none_or(|agent| agent.service != Some(false));
    how_to_restart(is_service, agent.map(|agent| agent.pid))
}

fn shown(reloaded: &Reloaded, agent: Option<&Daemon>) -> String {
    let Reloaded { changed, at_restart, .. } = reloaded;
    if changed.is_empty() && at_restart.is_empty() {
        return "reloaded: no changes\n".to_owned();
    }
    let mut text = String::from("reloaded\n");
    for line in changed {
        text.push_str(&format!("  {}\n", visible(line)));
    }
    if !at_restart.is_empty() {
        text.push_str(&format!("takes effect after a restart; type: {}\n", restart(agent)));
    }
    for line in at_restart {
        text.push_str(&format!("  {}\n", visible(line)));
    }
    text
}
