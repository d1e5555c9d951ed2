//! The state of everything, as sent over the socket and shown by `status`.

use crate::terminal::remedy;
use claude_store::EntryKey;
use jiff::{SignedDuration, Timestamp};
use oauth_secret::Fingerprint;
use refresh_engine::{EntryReport, Hindrance, LastRefresh, MarginRule, State, StoreReport, Unsavable, Until};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A login that cannot be refreshed and ends within this time needs attention.
const ENDS_SOON: SignedDuration = SignedDuration::from_hours(24);

/// The state of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The agent that answered; `None` if this was read from disk.
    pub(crate) daemon: Option<Daemon>,
    pub(crate) stores: Vec<StoreStatus>,
    /// What the command found besides the agent's answer.
    #[serde(skip)]
    pub(crate) found: Found,
}

/// The agent that answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Daemon {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) started_at: Timestamp,
    /// Whether a service manager started it; an older agent does not say.
    #[serde(default)]
    pub(crate) service: Option<bool>,
}

/// What the command found out itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whether the agent is installed as a service, if known.
    pub(crate) installed: Option<bool>,
    /// The home folder is another user's, whose agent is not asked: says so, and what to type.
    pub(crate) foreign: Option<Box<(String, String)>>,
    /// An agent that is running but does not answer.
    pub(crate) silent: Option<Silent>,
    /// The process of an agent that could make no socket: it cannot be asked.
    pub(crate) unasked: Option<u32>,
    /// Why the configuration cannot be used; an agent that answered keeps using the one it has read.
    pub(crate) misconfigured: Option<String>,
    /// Refreshes that started minutes ago and are still in the journal.
    pub(crate) unfinished: Vec<Unfinished>,
}

/// An agent that holds its lock but does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) pid: u32,
    /// Stopped by a signal (SIGSTOP, Ctrl-Z).
    pub(crate) stopped: bool,
    /// When it last wrote one of its files.
    pub(crate) active_at: Option<Timestamp>,
}

/// A refresh that started and whose result is not in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) server: String,
    pub(crate) began_at: Timestamp,
    /// Whether the journal holds the server's answer.
    pub(crate) answered: bool,
}

/// The state of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreStatus {
    pub(crate) location: String,
    /// Read from disk because no agent keeps it: nothing refreshes its entries.
    #[serde(skip)]
    pub(crate) unwatched: bool,
    /// Path, cause and remedy.
    pub(crate) unreadable: Option<String>,
    /// It does not exist yet, which is not an error.
    pub(crate) absent: bool,
    pub(crate) entries: Vec<EntryStatus>,
    /// Server names of entries that are not understood, and why.
    pub(crate) odd: Vec<(String, String)>,
    /// Servers whose entries vanished together.
    pub(crate) vanished: Vec<String>,
    /// Open transactions in the journal.
    pub(crate) journal_open: usize,
    /// It is the vault, or a cluster's grants: Claude Code asks the agent for these servers' headers. An older agent has none.
    #[serde(default)]
    pub(crate) vault: bool,
    /// What the cluster says, if these are its grants.
    #[cfg(feature = "cluster")]
    #[serde(default)]
    pub(crate) cluster: Option<ClusterStatus>,
}

/// A member's view of the cluster.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterStatus {
    /// This machine's name in it.
    pub(crate) member: String,
    /// Why etcd cannot be reached.
    pub(crate) unreachable: Option<String>,
    /// Which member refreshed a grant last, by its key.
    pub(crate) refreshed_by: compact::Map<String, String>,
}

/// The state of one entry.
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
    /// What the next refresh waits for, in words, if not simply for its time.
    pub(crate) waits_for: Option<String>,
    /// Why an obtained pair is not in the store yet.
    pub(crate) unsaved: Option<String>,
    /// Why the user is needed.
    pub(crate) why: Option<String>,
    /// What the user types.
    pub(crate) action: Option<String>,
    /// Details, mostly for `status NAME`; older agents do not send them.
    #[serde(default)]
    pub(crate) facts: Facts,
}

/// Details of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Lifetime of the access token in seconds: the server's `expires_in`, else the time left when the token was first seen.
    pub(crate) lifetime_s: Option<u64>,
    /// True if it is the server's `expires_in`.
    #[serde(default)]
    pub(crate) lifetime_answered: bool,
    /// Why the refresh that is due was not started.
    #[serde(default)]
    pub(crate) obstacle: Option<Obstacle>,
    /// Why the margin is what it is, in words.
    pub(crate) margin_why: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    /// What the user types if `action` did not help.
    #[serde(default)]
    pub(crate) otherwise: Option<String>,
    /// Which part of the login's scope the last answer lacked, in words.
    #[serde(default)]
    pub(crate) narrowed: Option<String>,
    /// When the refresh token expires, if an answer said so.
    #[serde(default)]
    pub(crate) refresh_token_expires_at: Option<Timestamp>,
    /// Consecutive failures.
    pub(crate) failures: u32,
    /// No request before this moment.
    pub(crate) retry_at: Option<Timestamp>,
}

/// Why a refresh that is due was not started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Obstacle {
    pub(crate) since: Timestamp,
    /// Path, cause and remedy; `None` if another process holds the refresh lock.
    pub(crate) why: Option<String>,
    /// Of which kind that is; older agents do not say.
    #[serde(default)]
    pub(crate) unsavable: Option<Unsavable>,
}

impl From<refresh_engine::Obstacle> for Obstacle {
    fn from(obstacle: refresh_engine::Obstacle) -> Self {
        let why = match obstacle.what {
            Hindrance::Locked => None,
            Hindrance::NotLockable(why) | Hindrance::NotSavable(why) => Some(why),
        };
        Self { since: obstacle.since, why, unsavable: obstacle.unsavable }
    }
}

impl StoreStatus {
    /// A vault that cannot be used.
    pub(crate) fn of_vault(folder: &Path, why: String) -> Self {
        let location = folder.display().to_string();
        Self { location, unreadable: Some(why), vault: true, ..Self::default() }
    }

    /// The cluster that the agent cannot join.
    #[cfg(feature = "cluster")]
    pub(crate) fn of_cluster(folder: &Path, why: String) -> Self {
        let location = folder.display().to_string();
        let cluster = Some(ClusterStatus::default());
        Self { location, unreadable: Some(why), vault: true, cluster, ..Self::default() }
    }

    /// Whether it holds the grants of a cluster: a store of the agent's own, as the vault is.
    pub(crate) fn is_of_cluster(&self) -> bool {
        #[cfg(feature = "cluster")]
        return self.cluster.is_some();
        #[cfg(not(feature = "cluster"))]
        return false;
    }

    /// From the engine's report.
    pub(crate) fn new(report: StoreReport) -> Self {
        let StoreReport { location, unreadable, absent, entries, odd, vanished, journal_open, next_wake: _ } =
            report;
        let name = |(key, why): (String, String)| {
            (key.rsplit_once('|').map_or(key.clone(), |(name, _)| name.to_owned()), why)
        };
        Self {
            absent,
            unwatched: false,
            unreadable,
            entries: entries.into_iter().map(|entry| EntryStatus::new(entry, &location)).collect(),
            location,
            odd: odd.into_iter().map(name).collect(),
            vanished,
            journal_open,
            vault: false,
            #[cfg(feature = "cluster")]
            cluster: None,
        }
    }
}

impl EntryStatus {
    /// Whether it cannot be refreshed and ends within a day.
    pub(crate) fn ends_soon(&self, now: Timestamp) -> bool {
        let ends = self.expires_at.filter(|_| self.state == State::Ending);
        ends.is_some_and(|ends| ends.duration_since(now) <= ENDS_SOON)
    }

    /// Whether a refresh failed for a reason that is not of this machine, and the agent retries by itself.
    pub(crate) fn is_tried_again(&self) -> bool {
        let failed = self.facts.failures > 0 && self.facts.obstacle.is_none() && self.unsaved.is_none();
        let waits = matches!(self.state, State::Expired | State::Retrying) && self.next_refresh_at.is_some();
        failed && waits && self.last.as_ref().is_some_and(|last| !last.is_not_savable())
    }

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
                lifetime_answered: report.lifetime_answered,
                obstacle: report.obstacle.map(Obstacle::from),
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
        MarginRule::Floor => "the minimum",
        MarginRule::Ceiling => "the maximum",
        MarginRule::Server => "configured for this server",
        MarginRule::Lifetime => "limited to three quarters of the lifetime",
    }
}

/// In words; `None` if it only waits for its time.
pub(crate) fn waiting(until: Until) -> Option<&'static str> {
    match until {
        Until::Margin | Until::Expiry => None,
        Until::Quiet => Some("a moment without session activity"),
        Until::Retry => Some("the back-off after a failure"),
        Until::Recheck => Some("one more request after the refusal"),
        Until::AmbiguousHold => Some("one more request after the unclear answer"),
        Until::Use => Some("a session that uses it"),
        Until::KeepAlive => Some("the keep-alive of its refresh token"),
    }
}

mod state_word {
    use refresh_engine::State;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    const ALL: [State; 10] = [
        State::NeedsPerson,
        State::Expired,
        State::Retrying,
        State::Refused,
        State::Ending,
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
