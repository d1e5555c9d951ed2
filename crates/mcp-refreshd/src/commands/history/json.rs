use super::coverage::{Coverage, Span};
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
    /// Of the time in which the agent watched and the user was logged in.
    valid_percent: Option<f64>,
    spans: &'a [Span],
}

/// The JSON, pretty, with a line end.
///
/// # Errors
/// None in practice: every member can be written.
pub(super) fn json(
    lines: &[&Line],
    coverages: &[Coverage],
    from: Timestamp,
    until: Timestamp,
) -> Result<String, serde_json::Error> {
    let coverage = coverages.iter().map(|coverage| Server {
        key: &coverage.key,
        name: &coverage.server,
        store: &coverage.store,
        valid_percent: coverage.permille().map(|permille| permille as f64 / 10.0),
        spans: &coverage.spans,
    });
    let coverage = coverage.collect();
    wording::json(&Json { format_version: FORMAT, from, until, events: lines, coverage })
}
