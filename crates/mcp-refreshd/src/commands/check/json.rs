use super::verdict::{Checked, Live, Verdict};
use crate::terminal::wording;
use jiff::Timestamp;
use serde::Serialize;

/// `check --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    servers: Vec<Server<'a>>,
    /// What could not be checked: stores, and entries that are not understood.
    problems: &'a [String],
}

#[derive(Serialize)]
struct Server<'a> {
    key: &'a str,
    name: &'a str,
    url: Option<&'a str>,
    store: &'a str,
    result: &'static str,
    expires_at: Option<Timestamp>,
    /// What `--live` found out; `None` if the server was not asked.
    live: Option<&'static str>,
    reason: String,
    action: Option<&'a str>,
}

/// The results for programs.
///
/// # Errors
/// None in practice: every member can be written.
pub(super) fn json(checked: &[Checked], problems: &[String]) -> Result<String, serde_json::Error> {
    let servers = checked.iter().map(server).collect();
    wording::json(&Json { format_version: 1, servers, problems })
}

fn server(checked: &Checked) -> Server<'_> {
    Server {
        key: checked.seen.entry.key.as_str(),
        name: &checked.seen.entry.server_name,
        url: checked.seen.entry.server_url.as_deref(),
        store: &checked.store,
        result: result(checked.verdict),
        expires_at: checked.seen.expiry.moment(),
        live: checked.live.map(live),
        reason: checked.reasons.join("; "),
        action: checked.cure.as_deref(),
    }
}

fn result(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::NotOk => "not_ok",
        Verdict::Unknown => "unknown",
    }
}

fn live(live: Live) -> &'static str {
    match live {
        Live::Accepted => "accepted",
        Live::Refused => "refused",
        Live::Limited => "limited",
        Live::NotAllowed => "not_allowed",
        Live::Unanswered => "unanswered",
    }
}
