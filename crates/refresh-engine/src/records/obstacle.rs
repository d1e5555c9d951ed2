use crate::{ObservedEntry, Record, Unsavable};
use jiff::Timestamp;
use oauth_secret::TokenDigest;

/// What kept a refresh from starting, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is.
    pub what: Hindrance,
    /// Of which kind, if it is not another process.
    pub unsavable: Option<Unsavable>,
    /// Since when every attempt has met it.
    pub since: Timestamp,
    /// When it was last met.
    pub(crate) at: Timestamp,
    /// The access token that was to be replaced.
    pub(crate) access: Option<TokenDigest>,
}

/// What keeps a refresh from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Another process holds the entry's refresh lock.
    Locked,
    /// The refresh lock cannot be created: path, cause and remedy.
    NotLockable(String),
    /// The new tokens could not be saved: path, cause and remedy.
    NotSavable(String),
}

impl Obstacle {
    /// The obstacle met at `at`; if it is the same as `before`, it has lasted since then.
    pub(crate) fn met(
        what: Hindrance,
        unsavable: Option<Unsavable>,
        at: Timestamp,
        seen: &ObservedEntry,
        before: Option<&Self>,
    ) -> Self {
        let same = before.filter(|before| {
            before.access == seen.access
                && std::mem::discriminant(&before.what) == std::mem::discriminant(&what)
        });
        Self { since: same.map_or(at, |before| before.since), what, unsavable, at, access: seen.access }
    }

    /// Whether it still applies: the store holds the same token, and no later attempt has ended.
    pub(crate) fn stands(&self, seen: &ObservedEntry, record: &Record) -> bool {
        self.access == seen.access && record.last.as_ref().is_none_or(|last| last.at <= self.at)
    }
}
