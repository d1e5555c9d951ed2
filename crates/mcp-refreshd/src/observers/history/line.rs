use jiff::Timestamp;
use oauth_secret::Fingerprint;
use serde::{Deserialize, Serialize};

/// The format that is written. Members and kinds are only ever added under the same version.
pub(crate) const FORMAT: u32 = 1;

/// The cause of what the first scan after a start finds: it happened at any time while no agent ran.
pub(super) const AT_THE_START: &str = "found at startup";

/// One line of the history. Of tokens it holds fingerprints only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Format version.
    pub(crate) v: u32,
    pub(crate) at: Timestamp,
    pub(crate) event: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// Why, or by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Refresh token before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Fingerprint>,
    /// Refresh token after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Fingerprint>,
    /// When the access token that is there now expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// What the entry holds from now on, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) holds: Option<Holds>,
    /// When it began, of what took time: `at` is its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Nobody is expected to use it from now on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rests: bool,
}

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holds {
    /// Tokens.
    Tokens,
    /// None, though nobody logged out: a failed refresh took them, or the entry vanished together with others.
    Missing,
    /// None, by the user's wish as far as is known.
    Removed,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The agent began to watch.
    AgentStarted,
    /// The agent ended in order.
    AgentEnded,
    /// The machine was suspended, and is awake again.
    Slept,
    /// The entry was there when it was first looked at.
    Found,
    /// Somebody logged in.
    Login,
    /// Another program wrote other tokens: Claude Code refreshed by itself, or somebody logged in again.
    Adopted,
    /// We refreshed.
    Refreshed,
    /// A refresh failed.
    Failed,
    /// A refresh was not begun.
    NotBegun,
    /// Obtained tokens could not be saved yet.
    Unsaved,
    /// A failed refresh of another program took the tokens.
    Wiped,
    /// We healed an entry that another program had broken.
    Healed,
    /// Logged out, or removed.
    Removed,
    /// It went while no agent ran, so that nobody knows how.
    Gone,
    /// Moved between Claude Code's store and the vault.
    Moved,
    /// Vanished together with others.
    Vanished,
    /// Nobody is expected to use it: its access token may expire.
    Rests,
    /// It is kept fresh again, or was refreshed meanwhile.
    RestOver,
    /// Only the user can help.
    #[serde(rename = "action_required", alias = "needs_person")]
    NeedsPerson,
    /// The entry has a form that is not understood.
    Odd,
    /// Something that an earlier run had left unfinished was finished.
    Replayed,
    /// The store cannot be read.
    StoreUnreadable,
    /// The store can be read again.
    StoreReadable,
    /// Repeated at the beginning of a file for what its predecessor said.
    Carried,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

impl Kind {
    /// As the user reads it.
    pub(crate) fn wording(self) -> &'static str {
        match self {
            Self::AgentStarted => "agent started",
            Self::AgentEnded => "agent stopped",
            Self::Slept => "machine slept",
            Self::Found => "found",
            Self::Login => "logged in",
            Self::Adopted => "new tokens from another program",
            Self::Refreshed => "refreshed",
            Self::Failed => "refresh failed",
            Self::NotBegun => "not refreshed",
            Self::Unsaved => "not saved yet",
            Self::Wiped => "wiped",
            Self::Healed => "healed",
            Self::Removed => "removed",
            Self::Gone => "gone",
            Self::Moved => "moved",
            Self::Vanished => "vanished",
            Self::Rests => "resting",
            Self::NeedsPerson => "action required",
            Self::Odd => "not understood",
            Self::Replayed => "finished after a crash",
            Self::StoreUnreadable => "store unreadable",
            Self::StoreReadable => "store readable again",
            // What ends a rest says so itself.
            Self::RestOver | Self::Carried | Self::Unknown => "",
        }
    }

    /// The same where there is little room.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Adopted => "new tokens",
            Self::Failed => "failed",
            Self::Replayed => "finished",
            other => other.wording(),
        }
    }

    /// Whether the user wants to see it: the rest is bookkeeping.
    pub(crate) fn is_shown(self) -> bool {
        !self.wording().is_empty()
    }
}

impl Line {
    pub(crate) fn new(at: Timestamp, event: Kind) -> Self {
        Self {
            v: FORMAT,
            at,
            event,
            store: None,
            key: None,
            server: None,
            cause: None,
            before: None,
            after: None,
            expires_at: None,
            holds: None,
            since: None,
            rests: false,
        }
    }

    /// Whether the entry rests from now on, where this line says anything about it.
    pub(crate) fn turns(&self) -> Option<bool> {
        let says = self.holds.is_some() || matches!(self.event, Kind::Rests | Kind::RestOver);
        says.then_some(self.rests)
    }

    /// The entry it is about: its store and its key.
    pub(crate) fn entry(&self) -> Option<(&str, &str)> {
        self.store.as_deref().zip(self.key.as_deref())
    }
}
