//! The overview: a line for each server, laid out for its reader.

use super::text::{between, wording};
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::columns::{cut, shortened, width, wrapped};
use crate::terminal::style::Style;
use crate::terminal::wording::{outcome_words, visible};
use jiff::Timestamp;
use refresh_engine::{Outcome, State};

const GAP: &str = "  ";
const EMPTY: &str = "-";
/// Where even the narrowest table has no room for more.
const LEAST_WIDTH: usize = 4;

/// What of a table is shown; the first of these that fits is taken.
#[derive(Clone, Copy)]
struct Layout {
    longest_name: usize,
    bar: usize,
    next: bool,
    last: bool,
    /// Also how long ago the last result was.
    ago: bool,
}

const LAYOUTS: [Layout; 10] = [
    Layout { longest_name: 40, bar: 10, next: true, last: true, ago: true },
    Layout { longest_name: 20, bar: 8, next: true, last: true, ago: true },
    Layout { longest_name: 20, bar: 4, next: true, last: true, ago: true },
    Layout { longest_name: 16, bar: 4, next: true, last: true, ago: true },
    Layout { longest_name: 20, bar: 0, next: true, last: true, ago: true },
    Layout { longest_name: 16, bar: 0, next: true, last: true, ago: true },
    Layout { longest_name: 16, bar: 0, next: true, last: true, ago: false },
    Layout { longest_name: 16, bar: 0, next: true, last: false, ago: false },
    Layout { longest_name: 12, bar: 0, next: false, last: false, ago: false },
    Layout { longest_name: 8, bar: 0, next: false, last: false, ago: false },
];

/// Every server, what needs a person first. On a terminal a table as wide as that, with what to type below its server; elsewhere one
/// line for each server, with columns that are always the same: name, state, time left, next refresh, last result, what to type.
pub(crate) fn overview(status: &Status, now: Timestamp, style: &Style) -> String {
    let mut stores: Vec<_> = status.stores.iter().collect();
    let several = stores.len() > 1;
    // A store where a person is needed comes first; where none is, the configuration's order stays.
    stores.sort_by_key(|store| !store.entries.iter().any(|entry| entry.state == State::NeedsPerson));
    let mut text = String::new();
    for store in stores {
        if several {
            text.push_str(&format!("{}:\n", style.shows(&visible(&store.location))));
        }
        if store.entries.is_empty() {
            if store.unreadable.is_none() || store.absent {
                text.push_str("no servers with a login yet\n");
            }
            continue;
        }
        let entries = in_order(store);
        text.push_str(&match style.size {
            Some((columns, _)) => table(&entries, now, style, columns.max(LEAST_WIDTH)),
            None => lines(&entries, now),
        });
    }
    text
}

fn in_order(store: &StoreStatus) -> Vec<&EntryStatus> {
    let mut entries: Vec<_> = store.entries.iter().collect();
    entries.sort_by(|a, b| (a.state, &a.name, &a.key).cmp(&(b.state, &b.name, &b.key)));
    entries
}

/// For a reader that is no terminal: nothing is cut, and a column is found by two spaces or more.
fn lines(entries: &[&EntryStatus], now: Timestamp) -> String {
    let rows = entries.iter().map(|entry| {
        let left = match time_left(entry, now) {
            Some((true, left)) => format!("{left} left"),
            Some((false, gone)) => format!("expired {gone} ago"),
            None => EMPTY.to_owned(),
        };
        let next = match next_refresh(entry, now) {
            Some(next) if next == "now" => "refresh due now".to_owned(),
            Some(next) => format!("{} {next}", if failing(entry) { "again" } else { "next" }),
            None => EMPTY.to_owned(),
        };
        let name = visible(&entry.name);
        vec![name, wording(entry.state).to_owned(), left, next, last(entry, now, true), to_type(entry)]
    });
    let rows: Vec<_> = rows.collect();
    let widths = widths(&rows);
    rows.iter().map(|row| format!("{}\n", row_of(row, &widths, &|_, cell| cell.to_owned()))).collect()
}

/// What to type and why, in one cell.
fn to_type(entry: &EntryStatus) -> String {
    let action = entry.action.as_ref().map(|action| format!("type: {action}"));
    let why = entry.why.as_deref().or(entry.unsaved.as_deref()).map(|why| format!("# {}", visible(why)));
    [action, why].into_iter().flatten().collect::<Vec<_>>().join(GAP)
}

/// For a terminal.
fn table(entries: &[&EntryStatus], now: Timestamp, style: &Style, columns: usize) -> String {
    let laid_out = |layout: Layout| {
        let header = ["SERVER", "STATE", "TIME LEFT", "NEXT", "LAST RESULT"].map(str::to_owned).to_vec();
        let rows = entries.iter().map(|entry| row(entry, now, style, layout));
        let mut rows: Vec<_> = [header].into_iter().chain(rows).collect();
        for row in &mut rows {
            row.truncate(3 + usize::from(layout.next) + usize::from(layout.last));
        }
        let widths = widths(&rows);
        let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        (total, rows, widths)
    };
    let all: Vec<_> = LAYOUTS.into_iter().map(laid_out).collect();
    let Some((_, rows, widths)) = all.iter().find(|(total, ..)| *total <= columns).or(all.last()) else {
        return String::new();
    };
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let entry = number.checked_sub(1).and_then(|number| entries.get(number));
        let fits = width(&row_of(row, widths, &|_, cell| cell.to_owned())) <= columns;
        let paint = |column: usize, cell: &str| match (entry, column) {
            _ if !fits => cell.to_owned(),
            (None, _) => style.painted(cell, "2"),
            (Some(entry), 1 | 2) => style.painted(cell, colour(entry.state)),
            _ => cell.to_owned(),
        };
        text.push_str(cut(&row_of(row, widths, &paint), if fits { usize::MAX } else { columns }).trim_end());
        text.push('\n');
        if let Some(entry) = entry {
            text.push_str(&below(entry, style, columns));
        }
    }
    text
}

fn row(entry: &EntryStatus, now: Timestamp, style: &Style, layout: Layout) -> Vec<String> {
    let words_left = match time_left(entry, now) {
        Some((true, left)) => left,
        Some((false, gone)) => format!("{gone} ago"),
        None => EMPTY.to_owned(),
    };
    let bar = bar(entry, now, style, layout.bar);
    let left = if bar.is_empty() { words_left } else { format!("{bar} {words_left}") };
    let next = next_refresh(entry, now).unwrap_or_else(|| EMPTY.to_owned());
    let name = shortened(&style.shows(&visible(&entry.name)), layout.longest_name);
    vec![
        style.shows(&name).into_owned(),
        wording(entry.state).to_owned(),
        left,
        next,
        last(entry, now, layout.ago),
    ]
}

/// What belongs to a server and has no column: what to type is never cut, so that it can be copied.
fn below(entry: &EntryStatus, style: &Style, columns: usize) -> String {
    let mut text = String::new();
    let mut say = |sentence: &str| {
        for line in wrapped(&style.shows(&visible(sentence)), columns.saturating_sub(GAP.len()).max(1)) {
            text.push_str(&format!("{GAP}{line}\n"));
        }
    };
    entry.why.as_deref().into_iter().for_each(&mut say);
    if let Some(unsaved) = &entry.unsaved {
        say(&format!("new token not saved yet: {unsaved}"));
    }
    if let Some(action) = &entry.action {
        // Not even in ASCII: an escaped name would be another one.
        text.push_str(&format!("{GAP}type: {}\n", style.painted(action, "1")));
    }
    text
}

/// How much of the access token's life is left, as a picture; empty where no bar is wanted, blank where the life is not known.
fn bar(entry: &EntryStatus, now: Timestamp, style: &Style, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    let left = entry.expires_at.map(|at| at.duration_since(now).as_secs().max(0).unsigned_abs());
    let (Some(left), Some(life)) = (left, entry.facts.lifetime_s.filter(|life| *life > 0)) else {
        return " ".repeat(width);
    };
    let steps = u64::try_from(width).unwrap_or(1);
    // Rounded up: while anything is left, something is seen.
    let full = left.saturating_mul(steps).div_ceil(life).min(steps);
    let full = usize::try_from(full).unwrap_or(width);
    let (on, off) = if style.utf8 { ("█", "░") } else { ("#", ".") };
    format!("{}{}", on.repeat(full), off.repeat(width.saturating_sub(full)))
}

fn colour(state: State) -> &'static str {
    match state {
        State::NeedsPerson => "1;31",
        State::Expired => "31",
        State::Retrying => "33",
        State::Refreshing => "36",
        State::Due | State::Fresh => "32",
        State::Resting | State::Ignored => "2",
    }
}

/// Whether the access token is still good, and how long it is so or has not been so.
fn time_left(entry: &EntryStatus, now: Timestamp) -> Option<(bool, String)> {
    entry.expires_at.map(|at| (at > now, between(at, now)))
}

fn next_refresh(entry: &EntryStatus, now: Timestamp) -> Option<String> {
    match entry.next_refresh_at {
        _ if matches!(entry.state, State::Refreshing | State::Ignored) => None,
        Some(at) if at <= now => Some("now".to_owned()),
        Some(at) => Some(format!("in {}", between(at, now))),
        None => None,
    }
}

fn failing(entry: &EntryStatus) -> bool {
    matches!(entry.state, State::Retrying | State::Expired)
}

fn last(entry: &EntryStatus, now: Timestamp, ago: bool) -> String {
    let Some(last) = &entry.last else {
        // Nothing was ever tried here, and never will be.
        let hopeless = entry.refresh.is_none() && entry.action.is_none();
        return if hopeless { "no refresh token" } else { EMPTY }.to_owned();
    };
    let what = match last.outcome {
        // Shorter than elsewhere: it stands in a column.
        Outcome::Adopted => "by Claude Code",
        Outcome::Transient => "failed",
        other => outcome_words(other),
    };
    if ago { format!("{what} {} ago", between(last.at, now)) } else { what.to_owned() }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
    };
    (0..columns).map(widest).collect()
}

/// One row, every cell padded to its column before it is painted.
fn row_of(row: &[String], widths: &[usize], paint: &dyn Fn(usize, &str) -> String) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, columns))| {
        let padding = " ".repeat(columns.saturating_sub(width(cell)));
        format!("{}{padding}", paint(column, cell))
    });
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}
