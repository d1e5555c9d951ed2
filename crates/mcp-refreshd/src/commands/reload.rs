//! `mcp-refreshd reload`: the running agent reloads its configuration.

use crate::control::protocol::{Reloaded, Reply, Request};
use crate::control::socket;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::wording::visible;

/// Carries out the command.
///
/// # Errors
/// No agent is running, it does not answer, or the configuration is invalid.
pub(crate) async fn reload(paths: &Paths) -> Result<Exit, Failure> {
    // One that hangs is not waited for.
    socket::reach_patiently(&paths.state).await?;
    match socket::ask(&paths.state, &Request::Reload).await? {
        Some(Reply::Reloaded(Reloaded { invalid: Some(why), .. })) => {
            Err(Failure::new(Exit::Usage, why).then("not reloaded: the agent keeps its old configuration"))
        }
        Some(Reply::Reloaded(reloaded)) => {
            output::result(&shown(&reloaded))?;
            reloaded.remarks.iter().for_each(|remark| output::message(remark));
            Ok(Exit::Well)
        }
        Some(_) => Err(Failure::new(Exit::Person, "the agent did not reload; type: mcp-refreshd restart")),
        None => Err(Failure::new(
            Exit::NotRunning,
            "no agent is running; it reads the configuration when it starts",
        )),
    }
}

fn shown(reloaded: &Reloaded) -> String {
    let Reloaded { changed, at_restart, .. } = reloaded;
    if changed.is_empty() && at_restart.is_empty() {
        return "reloaded: no changes\n".to_owned();
    }
    let mut text = String::from("reloaded\n");
    for line in changed {
        text.push_str(&format!("  {}\n", visible(line)));
    }
    if !at_restart.is_empty() {
        text.push_str("takes effect after: mcp-refreshd restart\n");
    }
    for line in at_restart {
        text.push_str(&format!("  {}\n", visible(line)));
    }
    text
}
