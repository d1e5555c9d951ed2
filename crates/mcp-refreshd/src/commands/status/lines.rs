//! The overview for a reader that is no terminal: one line for each server, nothing cut, and always the same columns, at least two spaces
//! apart: name, state, time left, next refresh, last result, store, and what to type with the reason.

use super::cells::{
    EMPTY, GAP, entries_in_order, in_order, last, next_refresh, row_of, unknown_expiry, widths,
};
use super::names::names;
use super::reason::reason;
use super::text::wording;
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::local::Local;
use crate::terminal::wording::visible;
use refresh_engine::State;
use std::borrow::Cow;

/// The lines of all stores, in the same columns.
pub(super) fn lines(status: &Status, local: &Local) -> String {
    let mut rows = Vec::new();
    for store in in_order(status) {
        let location = one_column(visible(&store.location));
        let entries = entries_in_order(store);
        let names = names(&entries).into_iter().map(one_column);
        rows.extend(
            entries.iter().zip(names).map(|(entry, name)| line(entry, name, store, &location, local)),
        );
    }
    let widths = widths(&rows);
    let mut text = String::new();
    for row in &rows {
        text.push_str(&row_of(row, &widths, &|_, cell| Cow::Borrowed(cell)));
        text.push('\n');
    }
    text
}

fn line(
    entry: &EntryStatus,
    name: String,
    store: &StoreStatus,
    location: &str,
    local: &Local,
) -> Vec<String> {
    let left = match entry.expires_at {
        Some(at) if at > local.now => format!("{} left", local.away(at)),
        Some(at) => format!("expired {}", local.relative(at)),
        None => unknown_expiry(entry).to_owned(),
    };
    let next = match next_refresh(entry, local) {
        Some(next) if is_failing(entry) => format!("again {next}"),
        Some(next) if next == "now" => "refresh due now".to_owned(),
        Some(next) => format!("next {next}"),
        None => EMPTY.to_owned(),
    };
    let (state, last) = (wording(entry.state).to_owned(), last(entry, local, true));
    vec![name, state, left, next, last, location.to_owned(), to_type(entry, store, local)]
}

/// Two spaces begin a new column; a name that has them shows the second one as an escape.
fn one_column(cell: String) -> String {
    if cell.contains(GAP) { cell.replace(GAP, " \\u{20}") } else { cell }
}

fn is_failing(entry: &EntryStatus) -> bool {
    matches!(entry.state, State::Retrying | State::Refused | State::Expired)
}

/// What to type and why, in one cell.
fn to_type(entry: &EntryStatus, store: &StoreStatus, local: &Local) -> String {
    let action = entry.action.as_ref().map(|action| format!("type: {action}"));
    let why = reason(entry, store.unwatched, local).map(|why| format!("# {why}"));
    [action, why].into_iter().flatten().collect::<Vec<_>>().join(GAP)
}
