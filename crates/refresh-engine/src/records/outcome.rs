use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How an attempt ended, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefresh {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
}

/// How an attempt ended; the words of `status --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new pair is in the store.
    Fresh,
    /// The refresh token will never work again.
    Dead,
    /// The client registration is gone.
    ClientDead,
    /// Refused without saying dead.
    Refused,
    /// Failed for a passing reason; nothing was consumed.
    Transient,
    /// No request left this machine.
    Unsent,
    /// Sent, and nobody knows how it ended.
    Ambiguous,
    /// Somebody else refreshed it first.
    Adopted,
}

impl Outcome {
    /// The word used in `status --json`, logs and history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Dead => "dead",
            Self::ClientDead => "client_dead",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::Unsent => "unsent",
            Self::Ambiguous => "ambiguous",
            Self::Adopted => "adopted",
        }
    }
}
