//! The rows of the overview: their order, their cells, and their columns.

use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::columns::width;
use crate::terminal::local::Local;
use crate::terminal::wording::outcome_words;
use compact::Arrange as _;
use refresh_engine::{Outcome, State};
use std::borrow::Cow;

pub(super) const GAP: &str = "  ";
/// Where even the narrowest table has no room for more.
pub(super) const LEAST_WIDTH: usize = 10;
pub(super) const EMPTY: &str = "-";

/// A store where the user is needed comes first; otherwise the configuration's order stays.
pub(super) fn in_order(status: &Status) -> Vec<&StoreStatus> {
    let mut stores: Vec<_> = status.stores.iter().collect();
    stores.arrange_by_key(|store| !store.entries.iter().any(|entry| entry.state == State::NeedsPerson));
    stores
}

/// What needs the user first, then by name.
pub(super) fn entries_in_order(store: &StoreStatus) -> Vec<&EntryStatus> {
    let mut entries: Vec<_> = store.entries.iter().collect();
    entries.arrange_by(|a, b| (a.state, &a.name, &a.key).cmp(&(b.state, &b.name, &b.key)));
    entries
}

/// In the place of the time left, where nobody can say it.
pub(super) fn unknown_expiry(entry: &EntryStatus) -> &'static str {
    if entry.access.is_some() { "unknown expiry" } else { EMPTY }
}

/// When it is refreshed next: "in 31 min", "now".
pub(super) fn next_refresh(entry: &EntryStatus, local: &Local) -> Option<String> {
    match entry.next_refresh_at {
        _ if matches!(entry.state, State::Refreshing | State::Ignored) => None,
        Some(at) if at <= local.now => Some("now".to_owned()),
        at => at.map(|at| local.relative(at)),
    }
}

/// How the last refresh ended.
pub(super) fn last(entry: &EntryStatus, local: &Local, ago: bool) -> String {
    let Some(last) = &entry.last else {
        return if entry.refresh.is_none() && entry.access.is_some() { "no refresh token" } else { EMPTY }
            .to_owned();
    };
    let blocked = entry.facts.obstacle.as_ref().is_some_and(|obstacle| obstacle.why.is_some());
    let what = match last.outcome {
        // Shorter than elsewhere: it stands in a column.
        Outcome::Adopted => "by Claude Code",
        Outcome::Transient => "failed",
        Outcome::Unsent if blocked || last.is_not_savable() => "not started",
        // Not believed yet.
        Outcome::Dead | Outcome::ClientDead if entry.state == State::Refused => "refused",
        other => outcome_words(other),
    };
    match (ago, local.relative(last.at)) {
        (false, _) => what.to_owned(),
        (true, when) => format!("{what} {when}"),
    }
}

pub(super) fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
    };
    (0..columns).map(widest).collect()
}

/// One row, every cell padded to its column before it is painted.
pub(super) fn row_of(
    row: &[String],
    widths: &[usize],
    paint: &dyn for<'c> Fn(usize, &'c str) -> Cow<'c, str>,
) -> String {
    let mut text = String::with_capacity(widths.iter().map(|columns| columns + GAP.len()).sum());
    for (column, (cell, columns)) in row.iter().zip(widths).enumerate() {
        if column > 0 {
            text.push_str(GAP);
        }
        text.push_str(&paint(column, cell));
        text.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(cell))));
    }
    text.truncate(text.trim_end().len());
    text
}
