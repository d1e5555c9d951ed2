use super::coverage::Span;
use super::summary::Row;
use crate::observers::history::line::{FORMAT, Line};
use crate::terminal::wording;
use jiff::Timestamp;
use serde::Serialize;

/// `history --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    from: Timestamp,
    until: Timestamp,
    events: &'a [&'a Line],
    coverage: Vec<Server<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    key: &'a str,
    name: &'a str,
    store: &'a str,
    /// Of the time in which the agent ran, the machine was awake and the user was logged in.
    valid_percent: Option<f64>,
    refreshes: usize,
    failures: usize,
    logins: usize,
    spans: &'a [Span],
}

/// The JSON, pretty, with a line end.
///
/// # Errors
/// None in practice: every member can be written.
pub(super) fn json<'a>(
    lines: &'a [&'a Line],
    rows: &'a [Row],
    from: Timestamp,
    until: Timestamp,
) -> Result<String, serde_json::Error> {
    let server = |row: &'a Row| {
        let coverage = row.coverage.as_ref()?;
        Some(Server {
            key: &coverage.key,
            name: &coverage.server,
            store: &coverage.store,
            valid_percent: coverage.permille().map(|permille| permille as f64 / 10.0),
            refreshes: row.refreshes,
            failures: row.failures,
            logins: row.logins,
            spans: &coverage.spans,
        })
    };
    let coverage = rows.iter().filter_map(server).collect();
    wording::json(&Json { format_version: FORMAT, from, until, events: lines, coverage })
}
