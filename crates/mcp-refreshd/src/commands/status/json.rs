use super::reason::reason;
use crate::control::protocol::VERSION;
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::local::Local;
use crate::terminal::wording;
use jiff::Timestamp;
use oauth_secret::Fingerprint;
use refresh_engine::State;
use serde::Serialize;

/// `status --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    agent: Agent<'a>,
    stores: Vec<Store<'a>>,
    servers: Vec<Server<'a>>,
}

#[derive(Serialize)]
struct Agent<'a> {
    /// Also where it does not answer.
    running: bool,
    /// It answered; else everything was read from disk.
    answers: bool,
    pid: Option<u32>,
    /// The agent's; this program's where none answers.
    version: &'a str,
    started_at: Option<Timestamp>,
    /// When an agent that does not answer wrote one of its files last.
    last_active_at: Option<Timestamp>,
    /// Whether a service manager started it.
    service: Option<bool>,
}

#[derive(Serialize)]
struct Store<'a> {
    location: &'a str,
    /// The agent that answered refreshes it.
    watched: bool,
    /// Why it cannot be read.
    unreadable: Option<&'a str>,
}

#[derive(Serialize)]
struct Server<'a> {
    key: &'a str,
    name: &'a str,
    url: Option<&'a str>,
    store: &'a str,
    /// Who presents the refresh token: `agent` where it is in the vault, else `shared` with Claude Code.
    owner: &'static str,
    /// Which member of the cluster refreshed it last.
    #[cfg(feature = "cluster")]
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshed_by: Option<&'a String>,
    state: &'static str,
    expires_at: Option<Timestamp>,
    next_refresh_at: Option<Timestamp>,
    margin_s: Option<u64>,
    fingerprint: Fingerprints,
    last_refresh: Option<LastRefresh<'a>>,
    reason: Option<String>,
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
    let (daemon, silent) = (status.daemon.as_ref(), status.found.silent.as_ref());
    // Reasons are for people, in their time; every member that is a time is exact, and UTC.
    let local = Local::now();
    let stores = status.stores.iter().map(|store| Store {
        location: &store.location,
        watched: daemon.is_some() && !store.unwatched,
        unreadable: store.unreadable.as_deref(),
    });
    let servers =
        status.stores.iter().flat_map(|store| store.entries.iter().map(|entry| server(store, entry, &local)));
    let json = Json {
        format_version: 1,
        agent: Agent {
            running: daemon.is_some() || silent.is_some(),
            answers: daemon.is_some(),
            pid: daemon.map(|daemon| daemon.pid).or(silent.map(|silent| silent.pid)),
            version: daemon.map_or(VERSION, |daemon| &daemon.version),
            started_at: daemon.map(|daemon| daemon.started_at),
            last_active_at: silent.and_then(|silent| silent.active_at).map(milliseconds),
            service: daemon.and_then(|daemon| daemon.service),
        },
        stores: stores.collect(),
        servers: servers.collect(),
    };
    wording::json(&json)
}

fn server<'a>(store: &'a StoreStatus, entry: &'a EntryStatus, local: &Local) -> Server<'a> {
    Server {
        key: &entry.key,
        name: &entry.name,
        url: entry.url.as_deref(),
        store: &store.location,
        #[cfg(feature = "cluster")]
        owner: if store.cluster.is_some() { "cluster" } else { owner(store) },
        #[cfg(not(feature = "cluster"))]
        owner: owner(store),
        #[cfg(feature = "cluster")]
        refreshed_by: store.cluster.as_ref().and_then(|cluster| cluster.refreshed_by.get(&entry.key)),
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
        reason: reason(entry, store.unwatched, local),
        action: entry.action.as_deref(),
    }
}

fn owner(store: &StoreStatus) -> &'static str {
    if store.vault { "agent" } else { "shared" }
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
