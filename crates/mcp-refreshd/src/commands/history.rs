//! `mcp-refreshd history`: what happened to every login, and how long each was valid.
//!
//! `coverage` works out from the lines of the history when each entry was valid, `summary` counts what happened.

mod canvas;
mod coverage;
mod events;
mod json;
mod recent;
mod summary;
mod svg;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use recent::Recent;

use crate::cli::HistoryArgs;
use crate::control::socket::reach;
use crate::observers::history::file::{FileError, Past, read};
use crate::observers::history::line::Line;
use crate::platform::zone;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::local::Local;
use crate::terminal::style::Style;
use crate::terminal::suggest::nearest;
use crate::terminal::wording::{counted, visible};
use crate::terminal::{output, pager};
use canvas::Canvas;
use events::{Clock, events};
use jiff::{SignedDuration, Timestamp};
use std::io;
use summary::{Asked, Row, beginning, rows};

/// How far back the summary looks unless told otherwise.
const USUAL: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Events listed below the summary of one server.
const BELOW: usize = 10;

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

/// `mcp-refreshd history`: a summary, or the last events. Changes nothing but the SVG file.
///
/// # Errors
/// The history cannot be read, has no such server, or the result cannot be written.
pub(crate) async fn history(paths: &Paths, args: HistoryArgs) -> Result<Exit, Failure> {
    let Past { lines, damaged } = read(&paths.state)?;
    let (zone, now) = (zone::of_this_process(), Timestamp::now());
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let since = args.since.map(|since| since.moment(now, &zone));
    if since.is_some_and(|since| since >= now) {
        return Err(Failure::new(Exit::Usage, "--since names a moment that is yet to come"));
    }
    let name = match &args.name {
        Some(name) => Some(known(&lines, name).map_err(|message| Failure::new(Exit::Usage, message))?),
        None => None,
    };
    // One that does not answer runs all the same.
    let running = !matches!(reach(&paths.state).await, Ok(None));
    let usual = now.saturating_sub(USUAL).unwrap_or(Timestamp::MIN);
    let asked = Asked { name, from: since.unwrap_or(usual), until: now, running };
    let rows = rows(&lines, asked);
    let style = Style::of_stdout();
    let local = Local::at(now, zone.clone());
    if let Some(path) = &args.svg {
        std::fs::write(path, svg::svg(&rows, beginning(&rows, asked), now, &zone)).map_err(|error| {
            Failure::new(Exit::Person, format!("cannot write the picture {}: {error}", path.display()))
        })?;
    }
    // `-n` alone reaches back as far as the history does.
    let listed_from = if args.lines.is_some() && since.is_none() { Timestamp::MIN } else { asked.from };
    let listed: Vec<&Line> =
        lines.iter().filter(|line| Asked { from: listed_from, ..asked }.lists(line)).collect();
    let last = |count: usize| listed.get(listed.len().saturating_sub(count)..).unwrap_or_default();
    let shown = args.lines.map_or(listed.as_slice(), |lines| last(lines.count()));
    let mut nothing = rows.is_empty() && shown.is_empty();
    if args.json {
        output::result(&json::json(shown, &rows, asked.from, now).map_err(io::Error::from)?)?;
    } else {
        let clock = Clock::new(zone, &style);
        let text = match (args.lines, name) {
            (Some(_), _) => events(shown, &style, &clock),
            (None, Some(_)) => {
                below(summarized(&rows, asked, &local, &style, &clock), last(BELOW), &style, &clock)
            }
            (None, None) => summarized(&rows, asked, &local, &style, &clock),
        };
        // That the agent started is no row.
        nothing |= text.is_empty();
        pager::result(&text, &style)?;
    }
    if damaged > 0 {
        let verb = if damaged == 1 { "was" } else { "were" };
        output::message(&format!(
            "{} of the history could not be read and {verb} skipped",
            counted(damaged, "line", "lines")
        ));
    }
    if lines.is_empty() {
        output::message("there is no history yet; the agent writes it while it runs");
    } else if nothing {
        output::message("nothing is recorded for this time; --since looks farther back");
    }
    Ok(Exit::Well)
}

fn summarized(rows: &[Row], asked: Asked<'_>, local: &Local, style: &Style, clock: &Clock) -> String {
    match Canvas::of(*style) {
        _ if rows.is_empty() => String::new(),
        Some(canvas) => table::table(rows, beginning(rows, asked), local, canvas),
        None => table::plain(rows, clock),
    }
}

/// The last events below a summary.
fn below(mut summary: String, last: &[&Line], style: &Style, clock: &Clock) -> String {
    if !summary.is_empty() && !last.is_empty() {
        summary.push('\n');
    }
    summary + &events(last, style, clock)
}

/// The name where the history knows this server, else what to say.
fn known<'a>(lines: &[Line], name: &'a str) -> Result<&'a str, String> {
    if lines.iter().any(|line| line.server.as_deref() == Some(name) || line.key.as_deref() == Some(name)) {
        return Ok(name);
    }
    let shown = visible(name);
    let mut names: Vec<_> = lines.iter().filter_map(|line| line.server.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    Err(match nearest(name, names.iter().copied()) {
        Some(near) => format!("the history has no server called {shown}; did you mean {}?", visible(near)),
        None if names.is_empty() => format!("the history has no server called {shown}; it is empty"),
        None => {
            let listed: Vec<_> = names.iter().take(20).map(|name| visible(name)).collect();
            let more = if names.len() > 20 { ", …" } else { "" };
            format!("the history has no server called {shown}; it has: {}{more}", listed.join(", "))
        }
    })
}
