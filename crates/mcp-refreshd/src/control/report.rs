//! How everything is, in the form that goes over the socket and that `status` shows.

use crate::terminal::remedy;
use claude_store::EntryKey;
use jiff::Timestamp;
use oauth_secret::Fingerprint;
use refresh_engine::{EntryReport, LastRefresh, MarginRule, State, StoreReport, Until};
use serde::{Deserialize, Serialize};

/// How everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Who says so; `None` where it was read from disk because no daemon runs.
    pub(crate) daemon: Option<Daemon>,
    pub(crate) stores: Vec<StoreStatus>,
}

/// The daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Daemon {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) started_at: Timestamp,
}

/// How one store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreStatus {
    pub(crate) location: String,
    /// Path, cause and cure.
    pub(crate) unreadable: Option<String>,
    /// It cannot be read because there is none yet: nothing is wrong.
    pub(crate) absent: bool,
    pub(crate) entries: Vec<EntryStatus>,
    /// Server names of entries that are not understood, and why.
    pub(crate) odd: Vec<(String, String)>,
    /// Servers whose entries vanished together.
    pub(crate) vanished: Vec<String>,
    /// Transactions that the journal holds open.
    pub(crate) journal_open: usize,
}

/// How one entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryStatus {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) url: Option<String>,
    #[serde(with = "state_word")]
    pub(crate) state: State,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) next_refresh_at: Option<Timestamp>,
    pub(crate) margin_s: Option<u64>,
    pub(crate) access: Option<Fingerprint>,
    pub(crate) refresh: Option<Fingerprint>,
    pub(crate) last: Option<LastRefresh>,
    /// What the next refresh waits for, in words, where it is not simply the time.
    pub(crate) waits_for: Option<String>,
    /// Why an obtained pair is not in the store yet.
    pub(crate) unsaved: Option<String>,
    /// Why a person is needed.
    pub(crate) why: Option<String>,
    /// What the person types.
    pub(crate) action: Option<String>,
    /// What only `status NAME` and the bars show; an older agent does not say it.
    #[serde(default)]
    pub(crate) facts: Facts,
}

/// Facts about an entry for those who want to know all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Whole life of the access token in seconds.
    pub(crate) lifetime_s: Option<u64>,
    /// Why the margin is what it is, in words.
    pub(crate) margin_why: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    /// What the person types where `action` did not help.
    #[serde(default)]
    pub(crate) otherwise: Option<String>,
    /// What the last answer lacked of the login's scope, in words.
    #[serde(default)]
    pub(crate) narrowed: Option<String>,
    /// When the refresh token ends, where an answer named it.
    #[serde(default)]
    pub(crate) refresh_token_expires_at: Option<Timestamp>,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// No request before this moment.
    pub(crate) retry_at: Option<Timestamp>,
}

impl StoreStatus {
    /// From the engine's report.
    pub(crate) fn new(report: StoreReport) -> Self {
        let StoreReport { location, unreadable, absent, entries, odd, vanished, journal_open, next_wake: _ } =
            report;
        let name = |(key, why): (String, String)| {
            (key.rsplit_once('|').map_or(key.clone(), |(name, _)| name.to_owned()), why)
        };
        Self {
            absent,
            unreadable,
            entries: entries.into_iter().map(|entry| EntryStatus::new(entry, &location)).collect(),
            location,
            odd: odd.into_iter().map(name).collect(),
            vanished,
            journal_open,
        }
    }
}

impl EntryStatus {
    /// From the engine's report on an entry of the store at this location.
    fn new(report: EntryReport, store: &str) -> Self {
        let action = report.need.as_ref().map(|need| remedy::what_to_type(need, &report.name, store));
        let otherwise =
            report.need.as_ref().and_then(|need| remedy::what_else_to_type(need, &report.name, store));
        let why = report.need.as_ref().map(remedy::why);
        Self {
            key: EntryKey::new(report.key).to_string(),
            name: report.name,
            url: report.url,
            state: report.state,
            expires_at: report.expires_at,
            next_refresh_at: report.next_refresh_at,
            margin_s: report.margin.map(|margin| margin.as_secs()),
            access: report.access,
            refresh: report.refresh,
            last: report.last,
            waits_for: report.waits_for.and_then(waiting).map(str::to_owned),
            unsaved: report.unsaved,
            why,
            action,
            facts: Facts {
                lifetime_s: report.lifetime.map(|life| life.as_secs()),
                margin_why: report.margin_rule.map(margin_why).map(str::to_owned),
                issuer: report.issuer,
                token_endpoint: report.token_endpoint,
                otherwise,
                narrowed: report.narrowing.map(|narrowing| narrowing.wording()),
                refresh_token_expires_at: report.refresh_token_expires_at,
                failures: report.failures,
                retry_at: report.retry_at,
            },
        }
    }
}

fn margin_why(rule: MarginRule) -> &'static str {
    match rule {
        MarginRule::Share => "the configured share of the lifetime",
        MarginRule::Floor => "the least margin; a share of the lifetime would be shorter",
        MarginRule::Ceiling => "the greatest margin; a share of the lifetime would be longer",
        MarginRule::Server => "set for this server",
        MarginRule::Lifetime => "three quarters of the lifetime; the settings ask for more",
    }
}

/// In words; waiting for the margin to begin is nothing to speak of.
pub(crate) fn waiting(until: Until) -> Option<&'static str> {
    match until {
        Until::Margin | Until::Expiry => None,
        Until::Quiet => Some("a moment when no session is active"),
        Until::Retry => Some("the pause after a failure"),
        Until::Recheck => Some("a second look at the refusal"),
        Until::AmbiguousHold => Some("the last try after an unclear answer"),
        Until::Use => Some("somebody to use it; nobody is expected now"),
        Until::KeepAlive => Some("its refresh token to need exercise"),
    }
}

mod state_word {
    use refresh_engine::State;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    const ALL: [State; 8] = [
        State::NeedsPerson,
        State::Expired,
        State::Retrying,
        State::Refreshing,
        State::Due,
        State::Resting,
        State::Fresh,
        State::Ignored,
    ];

    pub(super) fn serialize<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(state.word())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
        let word = String::deserialize(deserializer)?;
        ALL.into_iter().find(|state| state.word() == word).ok_or_else(|| D::Error::custom("an unknown state"))
    }
}
