//! `mcp-refreshd status`: the state of the agent and of every server, as text, as JSON, and as an exit code.

mod cells;
mod everything;
mod head;
mod json;
mod lines;
mod names;
mod overview;
mod reason;
mod remarks;
mod selection;
mod shown;
mod table;
mod text;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use everything::everything;
pub(crate) use overview::overview;
pub(crate) use remarks::{left_alone, not_watched, remarks};
pub(crate) use selection::unknown;

use crate::cli::StatusArgs;
use crate::commands::history::Recent;
use crate::commands::service::program_gone;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::local::Local;
use crate::terminal::output;
use crate::terminal::style::Style;
use remarks::{about_the_agent, exit, without_agent};
use selection::{of_store, only};
use std::io;
use text::detailed;
use watch::watch;

/// Shows every server, or one of them in full, as text or as JSON, once or whenever something changed.
///
/// # Errors
/// The agent gives no answer that can be used, the configuration cannot be used, or there is no such server.
pub(crate) async fn status(paths: &Paths, args: &StatusArgs) -> Result<Exit, Failure> {
    let name = args.name.as_deref();
    let store = args.store.as_deref();
    if args.watch {
        return watch(paths, name, store).await;
    }
    let mut status = of_store(paths, everything(paths).await?, store)?;
    if let Some(name) = name {
        status = only(status, name)?;
    }
    let (local, style) = (Local::now(), Style::of_stdout());
    let text = if args.json {
        json::json(&status).map_err(io::Error::from)?
    } else if name.is_some() {
        let mut recent = Recent::default();
        recent.look_again(&paths.state, &status);
        detailed(&status, &recent, &local, &style)
    } else {
        overview(&status, &local, &style)
    };
    output::result(&text)?;
    let agent = match (name, style.size) {
        (None, None) if !args.json => about_the_agent(&status, &local),
        // Its head says it.
        (None, Some(_)) if !args.json => Vec::new(),
        _ => without_agent(&status, &local),
    };
    let odd = if args.json { left_alone(&status) } else { Vec::new() };
    let gone = if status.found.installed == Some(false) { None } else { program_gone(paths) };
    let more = odd.into_iter().chain(remarks(&status, &local)).chain(gone);
    agent.into_iter().chain(more).for_each(|remark| output::message(&remark));
    Ok(exit(&status))
}
