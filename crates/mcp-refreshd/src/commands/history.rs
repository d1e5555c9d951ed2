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

use crate::agent::status::gather;
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
use crate::terminal::suggest::no_recorded_server_is_called;
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
    let name = args.name.as_deref();
    let unrecorded = match name.map(|name| (name, known(&lines, name))) {
        Some((name, Err(message))) => match is_server(paths, name).await {
            true => Some(name),
            false => return Err(Failure::new(Exit::Usage, message)),
        },
        Some((_, Ok(()))) | None => None,
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
    // Who asks for no event gets none, whatever happened.
    let mut nothing = rows.is_empty() && listed.is_empty();
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
        nothing |= text.is_empty() && (args.lines.is_none() || listed.is_empty());
        pager::result(&text, &style)?;
    }
    if damaged > 0 {
        let verb = if damaged == 1 { "was" } else { "were" };
        output::message(&format!(
            "{} of the history could not be read and {verb} skipped",
            counted(damaged, "line", "lines")
        ));
    }
    match lines.first() {
        _ if unrecorded.is_some() => {
            let name = visible(unrecorded.unwrap_or_default());
            output::message(&format!("there is no history of {name} yet; the agent writes it while it runs"));
        }
        None => output::message("there is no history yet; the agent writes it while it runs"),
        Some(first) if nothing => output::message(&nothing_recorded(first.at, listed_from, &local)),
        Some(_) => {}
    }
    Ok(Exit::Well)
}

/// Whether a store has an entry of this name or key.
async fn is_server(paths: &Paths, name: &str) -> bool {
    // Where nothing can be known of the stores, the history alone decides.
    let stores = gather(paths).await.map(|status| status.stores).unwrap_or_default();
    let is = |known: &str| known == name;
    stores.iter().any(|store| {
        store.entries.iter().any(|entry| is(&entry.name) || is(&entry.key))
            || store.odd.iter().any(|(odd, _)| is(odd))
            || store.vanished.iter().any(|vanished| is(vanished))
    })
}

/// Whether there is more to be seen before, or the history is younger than that.
fn nothing_recorded(begins: Timestamp, from: Timestamp, local: &Local) -> String {
    let begins_at = format!("the history begins at {}", local.moment(begins));
    if begins < from {
        format!("nothing is recorded since {}; {begins_at}: --since looks farther back", local.exact(from))
    } else {
        format!("nothing has happened to a login yet; {begins_at}")
    }
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

/// Whether the history knows this server, else what to say.
fn known(lines: &[Line], name: &str) -> Result<(), String> {
    if lines.iter().any(|line| line.server.as_deref() == Some(name) || line.key.as_deref() == Some(name)) {
        return Ok(());
    }
    Err(no_recorded_server_is_called(name, lines.iter().filter_map(|line| line.server.as_deref())))
}
