//! `mcp-refreshd notice --test`: one notice, sent as the agent would send it.

use crate::control::protocol::{Delivery, Reply, Request};
use crate::control::socket;
use crate::observers::notices::delivery;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::wording::visible;

/// Carries out the command. The agent sends the notice, if one is running: what it can reach may differ from what this shell can.
///
/// # Errors
/// Notices are off, or the agent does not answer.
pub(crate) async fn notice(paths: &Paths) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    // One that hangs is not waited for.
    socket::reach_patiently(&paths.state).await?;
    let (sender, deliveries) = match socket::ask(&paths.state, &Request::TestNotice).await? {
        Some(Reply::NoticeTested(deliveries)) => ("the agent", deliveries),
        Some(_) => {
            return Err(Failure::new(Exit::Person, "the agent sent nothing; type: mcp-refreshd restart"));
        }
        None => ("this command, since no agent is running", delivery::test(&config.notices).await),
    };
    if deliveries.is_empty() {
        let why = format!(
            "notices are off; set `notices.desktop` or `notices.hook` in {}",
            visible(&paths.config.display().to_string())
        );
        return Err(Failure::new(Exit::Person, why));
    }
    let mut text = format!("sent by {sender}:\n");
    for Delivery { means, error } in &deliveries {
        let end = error.as_ref().map_or_else(|| "ok".to_owned(), |why| format!("failed: {}", visible(why)));
        text.push_str(&format!("  {means}: {end}\n"));
    }
    output::prose(&text)?;
    let delivered = deliveries.iter().any(|delivery| delivery.error.is_none());
    if !delivered {
        output::message(
            "no notice reaches you; `mcp-refreshd status` and `mcp-refreshd logs` show what needs you",
        );
    }
    Ok(if delivered { Exit::Well } else { Exit::Person })
}
