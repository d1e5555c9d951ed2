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
pub(crate) use watch::watch;

use crate::agent::status::gather;
use crate::commands::history::Recent;
use crate::commands::service::program_gone;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::style::Look;
use jiff::Timestamp;
use remarks::exit;
use selection::only;
use std::io;
use text::detailed;

/// Shows every server, or one of them in full, as text or as JSON.
///
/// # Errors
/// A daemon runs and does not answer as it should, the configuration cannot be used, or there is no such server.
pub(crate) async fn status(paths: &Paths, name: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let mut status = gather(paths).await?;
    if let Some(name) = name {
        status = only(status, name)?;
    }
    let (now, look) = (Timestamp::now(), Look::of_stdout());
    let text = if json {
        json::json(&status).map_err(io::Error::from)?
    } else if name.is_some() {
        let mut recent = Recent::default();
        recent.look_again(&paths.state, &status);
        detailed(&status, &recent, now, &look)
    } else {
        overview(&status, now, &look)
    };
    output::result(&text)?;
    for remark in remarks(&status).into_iter().chain(program_gone(paths)) {
        output::message(&remark);
    }
    Ok(exit(&status))
}
