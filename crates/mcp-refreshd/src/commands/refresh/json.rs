use crate::control::protocol::{Done, How};
use crate::terminal::wording;
use serde::Serialize;

/// How one refresh ended, or would end.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) store: String,
    /// `None` if it would be refreshed.
    pub(super) how: Option<How>,
    pub(super) detail: String,
    pub(super) action: Option<String>,
}

impl Row {
    pub(super) fn of(Done { name, key, store, how, detail, action }: Done) -> Self {
        Self { name, key, store, how: Some(how), detail, action }
    }
}

/// `refresh --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    dry_run: bool,
    servers: Vec<Server<'a>>,
    /// What could not be refreshed because it could not be read.
    problems: &'a [String],
}

#[derive(Serialize)]
struct Server<'a> {
    key: &'a str,
    name: &'a str,
    store: &'a str,
    result: &'static str,
    detail: &'a str,
    action: Option<&'a str>,
}

/// The results for programs.
///
/// # Errors
/// None in practice: every member can be written.
pub(super) fn json(rows: &[Row], problems: &[String], dry_run: bool) -> Result<String, serde_json::Error> {
    let servers = rows.iter().map(server).collect();
    wording::json(&Json { format_version: 1, dry_run, servers, problems })
}

fn server(row: &Row) -> Server<'_> {
    Server {
        key: &row.key,
        name: &row.name,
        store: &row.store,
        result: word(row.how),
        detail: &row.detail,
        action: row.action.as_deref(),
    }
}

fn word(how: Option<How>) -> &'static str {
    match how {
        None => "would_refresh",
        Some(How::Fresh) => "refreshed",
        Some(How::NotNeeded) => "not_due",
        Some(How::Running) => "running",
        Some(How::Ignored) => "ignored",
        Some(How::NeedsPerson) => "action_required",
        Some(How::Failed) => "failed",
    }
}
