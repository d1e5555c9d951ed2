//! `mcp-refreshd status`: how everything is, as text, as JSON, and as an exit code.

mod json;
mod remarks;
mod selection;
mod table;
mod text;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use remarks::remarks;
pub(crate) use selection::unknown;
pub(crate) use table::overview;

use crate::agent::status::gather;
use crate::cli::StatusArgs;
use crate::commands::history::Recent;
use crate::commands::service::program_gone;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::style::Style;
use jiff::Timestamp;
use remarks::exit;
use selection::{of_store, only};
use std::io;
use text::detailed;
use watch::watch;

/// Shows every server, or one of them in full, as text or as JSON, once or whenever something changed.
///
/// # Errors
/// A daemon runs and does not answer as it should, the configuration cannot be used, or there is no such server.
pub(crate) async fn status(paths: &Paths, args: &StatusArgs) -> Result<Exit, Failure> {
    let name = args.name.as_deref();
    let store = args.store.as_deref();
    if args.watch {
        return watch(paths, name, store).await;
    }
    let mut status = of_store(paths, gather(paths).await?, store)?;
    if let Some(name) = name {
        status = only(status, name)?;
    }
    let (now, style) = (Timestamp::now(), Style::of_stdout());
    let text = if args.json {
        json::json(&status).map_err(io::Error::from)?
    } else if name.is_some() {
        let mut recent = Recent::default();
        recent.look_again(&paths.state, &status);
        detailed(&status, &recent, now, &style)
    } else {
        overview(&status, now, &style)
    };
    output::result(&text)?;
    for remark in remarks(&status).into_iter().chain(program_gone(paths)) {
        output::message(&remark);
    }
    Ok(exit(&status))
}
