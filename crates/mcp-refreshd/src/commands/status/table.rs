//! The servers of one store on a terminal: a table, laid out for its width.

use super::cells::{EMPTY, GAP, entries_in_order, last, next_refresh, row_of, unknown_expiry, widths};
use super::names::{cut_names, names};
use super::reason::reason;
use super::text::wording;
use crate::control::report::{EntryStatus, StoreStatus};
use crate::terminal::columns::{cut, width, wrapped};
use crate::terminal::command_line::command_lines;
use crate::terminal::local::Local;
use crate::terminal::style::Style;
use jiff::Timestamp;
use refresh_engine::State;
use std::borrow::Cow;

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
    Layout { longest_name: 7, bar: 0, next: false, last: false, ago: false },
];

/// The table, with reasons and commands below their servers.
pub(super) fn table(store: &StoreStatus, local: &Local, style: &Style, columns: usize) -> String {
    let entries = entries_in_order(store);
    let names = names(&entries);
    let any_bar = entries.iter().any(|entry| has_bar(entry));
    let laid_out = |layout: Layout| {
        let layout = Layout {
            next: layout.next && !store.unwatched,
            bar: if any_bar { layout.bar } else { 0 },
            ..layout
        };
        let header = ["SERVER", "STATE", "TIME LEFT", "NEXT", "LAST RESULT"].map(str::to_owned).to_vec();
        let names = cut_names(&names, layout.longest_name, style);
        let rows = entries.iter().zip(names).map(|(entry, name)| row(entry, name, local, style, layout));
        let shown = [true, true, true, layout.next, layout.last];
        let rows: Vec<Vec<String>> = [header]
            .into_iter()
            .chain(rows)
            .map(|row| row.into_iter().zip(shown).filter_map(|(cell, shown)| shown.then_some(cell)).collect())
            .collect();
        let widths = widths(&rows);
        let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        (total, rows, widths)
    };
    let mut laid_out = LAYOUTS.into_iter().map(laid_out).peekable();
    let mut chosen = None;
    while let Some(table) = laid_out.next() {
        if table.0 <= columns || laid_out.peek().is_none() {
            chosen = Some(table);
            break;
        }
    }
    let Some((_, rows, widths)) = chosen else { return String::new() };
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let entry = number.checked_sub(1).and_then(|number| entries.get(number));
        let plain = row_of(row, &widths, &|_, cell| Cow::Borrowed(cell));
        if width(&plain) <= columns {
            text.push_str(&row_of(row, &widths, &|column, cell| match (entry, column) {
                (None, _) => style.painted(cell, "2").into(),
                (Some(entry), 1 | 2) => style.painted(cell, colour(entry, local.now)).into(),
                _ => cell.into(),
            }));
        } else {
            text.push_str(cut(&plain, columns).trim_end());
        }
        text.push('\n');
        if let Some(entry) = entry {
            text.push_str(&below(entry, store.unwatched, local, style, columns));
        }
    }
    text
}

fn row(entry: &EntryStatus, name: String, local: &Local, style: &Style, layout: Layout) -> Vec<String> {
    let left = match entry.expires_at {
        Some(at) if at > local.now => local.away(at),
        Some(at) => local.relative(at),
        None => unknown_expiry(entry).to_owned(),
    };
    let bar = bar(entry, local.now, style, layout.bar);
    let left = if bar.is_empty() { left } else { format!("{bar} {left}") };
    let next = next_refresh(entry, local).unwrap_or_else(|| EMPTY.to_owned());
    vec![name, wording(entry.state).to_owned(), left, next, last(entry, local, layout.ago)]
}

/// What belongs to a server and has no column: why it is not refreshed, and what to type.
fn below(entry: &EntryStatus, unwatched: bool, local: &Local, style: &Style, columns: usize) -> String {
    let mut text = String::new();
    for line in reason(entry, unwatched, local)
        .map(|sentence| wrapped(&style.shows(&sentence), columns.saturating_sub(GAP.len()).max(1)))
        .unwrap_or_default()
    {
        text.push_str(&format!("{GAP}{line}\n"));
    }
    if let Some(action) = &entry.action {
        text.push_str(&to_type(action, style, columns));
    }
    text
}

/// A command to be copied: not even in ASCII, as an escaped name would be another one; and where it needs several lines, from the first column.
fn to_type(command: &str, style: &Style, columns: usize) -> String {
    let label = format!("{GAP}type: ");
    if width(&label) + width(command) <= columns {
        return format!("{label}{}\n", style.painted(command, "1"));
    }
    let lines = command_lines(command, columns);
    let lines: Vec<_> = lines.iter().map(|line| style.painted(line, "1")).collect();
    format!("{}\n{}\n", label.trim_end(), lines.join("\n"))
}

/// Whether the access token's lifetime is known, by the server's own word.
fn has_bar(entry: &EntryStatus) -> bool {
    entry.expires_at.is_some()
        && entry.facts.lifetime_answered
        && entry.facts.lifetime_s.is_some_and(|life| life > 0)
}

/// How much of the access token's lifetime is left, as a picture; blank where the lifetime is not known.
fn bar(entry: &EntryStatus, now: Timestamp, style: &Style, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    let left = entry.expires_at.map(|at| at.duration_since(now).as_secs().max(0).unsigned_abs());
    let (Some(left), Some(life), true) = (left, entry.facts.lifetime_s, has_bar(entry)) else {
        return " ".repeat(width);
    };
    let steps = u64::try_from(width).unwrap_or(1);
    // Rounded up: while anything is left, something is seen.
    let full = left.saturating_mul(steps).div_ceil(life).min(steps);
    let full = usize::try_from(full).unwrap_or(width);
    let (on, off) = if style.utf8 { ("█", "░") } else { ("#", ".") };
    format!("{}{}", on.repeat(full), off.repeat(width.saturating_sub(full)))
}

fn colour(entry: &EntryStatus, now: Timestamp) -> &'static str {
    match entry.state {
        State::NeedsPerson => "1;31",
        State::Expired => "31",
        State::Retrying | State::Refused => "33",
        State::Ending if entry.ends_soon(now) => "33",
        State::Ending => "",
        State::Refreshing => "36",
        State::Fresh if entry.refresh.is_none() => "",
        State::Due | State::Fresh => "32",
        State::Resting | State::Ignored => "2",
    }
}
