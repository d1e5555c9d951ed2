//! `mcp-refreshd history`: what happened to every login, and how long each was good.
//!
//! `coverage` works out from the lines of the history when each entry was good.

mod canvas;
mod coverage;
mod json;
mod recent;
mod svg;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use recent::Recent;

use crate::cli::HistoryArgs;
use crate::control::socket::reach;
use crate::observers::history::file::{FileError, Past, read};
use crate::observers::history::line::Line;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::style::Style;
use crate::terminal::suggest::nearest;
use crate::terminal::wording::{counted, visible};
use canvas::Canvas;
use coverage::{Coverage, coverage};
use jiff::Timestamp;
use std::io;

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

/// `mcp-refreshd history`: what happened, and a picture of it. Changes nothing but the SVG file.
///
/// # Errors
/// The history cannot be read, has no such server, or the result cannot be written.
pub(crate) async fn history(paths: &Paths, args: HistoryArgs) -> Result<Exit, Failure> {
    let Past { lines, damaged } = read(&paths.state)?;
    // One that cannot be asked runs all the same.
    let running = !matches!(reach(&paths.state).await, Ok(None));
    let until = Timestamp::now();
    let until = Timestamp::from_millisecond(until.as_millisecond()).unwrap_or(until);
    let from = until.saturating_sub(args.since).unwrap_or(Timestamp::MIN);
    if let Some(name) = &args.name {
        known(&lines, name).map_err(|message| Failure::new(Exit::Usage, message))?;
    }
    let asked = |server: &str, key: &str| args.name.as_ref().is_none_or(|name| name == server || name == key);
    let mut coverages = coverage(&lines, from, until, running);
    coverages.retain(|coverage| asked(&coverage.server, &coverage.key));
    coverages.sort_by(|a, b| (&a.server, &a.store, &a.key).cmp(&(&b.server, &b.store, &b.key)));
    let wanted = |line: &&Line| {
        let (server, key) = (line.server.as_deref().unwrap_or(""), line.key.as_deref().unwrap_or(""));
        line.event.is_shown() && line.at >= from && asked(server, key)
    };
    let events: Vec<&Line> = lines.iter().filter(wanted).collect();
    if let Some(path) = &args.svg {
        std::fs::write(path, svg::svg(&coverages, from, until)).map_err(|error| {
            let message = format!("the picture {} cannot be written: {error}", path.display());
            Failure::new(Exit::Person, message)
        })?;
    }
    let text = if args.json {
        json::json(&events, &coverages, from, until).map_err(io::Error::from)?
    } else {
        told(&events, &coverages, from, until, &Style::of_stdout())
    };
    output::result(&text)?;
    if damaged > 0 {
        let lines = counted(damaged, "line", "lines");
        output::message(&format!(
            "{lines} of the history could not be understood and {} passed over",
            if damaged == 1 { "was" } else { "were" }
        ));
    }
    if lines.is_empty() {
        output::message("there is no history yet; the agent writes it while it runs");
    }
    Ok(Exit::Well)
}

fn told(
    events: &[&Line],
    coverages: &[Coverage],
    from: Timestamp,
    until: Timestamp,
    style: &Style,
) -> String {
    let mut text = text::events(events, style);
    if coverages.is_empty() {
        return text;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&match Canvas::of(*style) {
        Some(terminal) => text::picture(coverages, from, until, terminal),
        None => text::summary(coverages),
    });
    text
}

/// Whether the history knows this server, else what to say.
fn known(lines: &[Line], name: &str) -> Result<(), String> {
    if lines.iter().any(|line| line.server.as_deref() == Some(name) || line.key.as_deref() == Some(name)) {
        return Ok(());
    }
    let shown = visible(name);
    let mut names: Vec<_> = lines.iter().filter_map(|line| line.server.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    Err(match nearest(name, names.iter().copied()) {
        Some(near) => format!("the history knows no server called {shown}; did you mean {}?", visible(near)),
        None if names.is_empty() => format!("the history knows no server called {shown}; it is empty"),
        None => {
            let listed: Vec<_> = names.iter().take(20).map(|name| visible(name)).collect();
            format!("the history knows no server called {shown}; it knows: {}", listed.join(", "))
        }
    })
}
