use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The result of an attempt, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefresh {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
}

/// How the detail of an attempt begins that was not made because its result could not have been saved.
pub(crate) const NOT_SAVABLE: &str = "new tokens could not be saved: ";

impl LastRefresh {
    /// Whether no request was made because its result could not have been saved: the server was not even asked.
    #[must_use]
    pub fn is_not_savable(&self) -> bool {
        self.outcome == Outcome::Unsent && self.detail.starts_with(NOT_SAVABLE)
    }
}

/// The result of an attempt, in the words of `status --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new pair is in the store.
    Fresh,
    /// The refresh token will never work again.
    Dead,
    /// The client registration is gone.
    ClientDead,
    /// Refused, but not called dead.
    Refused,
    /// Failed temporarily; nothing was consumed.
    Transient,
    /// No request left this machine.
    Unsent,
    /// Sent, with unknown outcome.
    Ambiguous,
    /// Another process refreshed it first.
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
