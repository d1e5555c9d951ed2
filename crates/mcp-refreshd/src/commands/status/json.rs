use crate::control::protocol::VERSION;
use crate::control::report::{EntryStatus, Status};
use crate::terminal::wording;
use jiff::Timestamp;
use oauth_secret::Fingerprint;
use refresh_engine::State;
use serde::Serialize;

/// `status --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    daemon: Daemon<'a>,
    servers: Vec<Server<'a>>,
}

#[derive(Serialize)]
struct Daemon<'a> {
    running: bool,
    pid: Option<u32>,
    /// The daemon's; this program's where none runs.
    version: &'a str,
    started_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Server<'a> {
    key: &'a str,
    name: &'a str,
    url: Option<&'a str>,
    store: &'a str,
    state: &'static str,
    expires_at: Option<Timestamp>,
    next_refresh_at: Option<Timestamp>,
    margin_s: Option<u64>,
    fingerprint: Fingerprints,
    last_refresh: Option<LastRefresh<'a>>,
    action: Option<&'a str>,
}

#[derive(Serialize)]
struct Fingerprints {
    access: Option<Fingerprint>,
    refresh: Option<Fingerprint>,
}

#[derive(Serialize)]
struct LastRefresh<'a> {
    at: Timestamp,
    outcome: &'static str,
    detail: &'a str,
}

/// The JSON of `status --json`, pretty, with a line end.
///
/// # Errors
/// None in practice: every member can be written.
pub(crate) fn json(status: &Status) -> Result<String, serde_json::Error> {
    let daemon = status.daemon.as_ref();
    let servers = status
        .stores
        .iter()
        .flat_map(|store| store.entries.iter().map(|entry| server(&store.location, entry)));
    let json = Json {
        format_version: 1,
        daemon: Daemon {
            running: daemon.is_some(),
            pid: daemon.map(|daemon| daemon.pid),
            version: daemon.map_or(VERSION, |daemon| &daemon.version),
            started_at: daemon.map(|daemon| daemon.started_at),
        },
        servers: servers.collect(),
    };
    wording::json(&json)
}

fn server<'a>(store: &'a str, entry: &'a EntryStatus) -> Server<'a> {
    Server {
        key: &entry.key,
        name: &entry.name,
        url: entry.url.as_deref(),
        store,
        state: state(entry.state),
        expires_at: entry.expires_at.map(milliseconds),
        next_refresh_at: entry.next_refresh_at.map(milliseconds),
        margin_s: entry.margin_s,
        fingerprint: Fingerprints { access: entry.access, refresh: entry.refresh },
        last_refresh: entry.last.as_ref().map(|last| LastRefresh {
            at: milliseconds(last.at),
            outcome: last.outcome.word(),
            detail: &last.detail,
        }),
        action: entry.action.as_deref(),
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::NeedsPerson => "action_required",
        other => other.word(),
    }
}

/// As exact as the store is: `expiresAt` counts milliseconds.
fn milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
