use crate::{ObservedEntry, Record};
use jiff::Timestamp;
use oauth_secret::TokenDigest;

/// What stood in the way of a refresh, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is.
    pub what: Hindrance,
    /// Since when it was met at every attempt.
    pub since: Timestamp,
    /// When it was met last.
    pub(crate) at: Timestamp,
    /// The access token that was to be replaced.
    pub(crate) access: Option<TokenDigest>,
}

/// What stands in the way of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Another process holds the entry's refresh lock.
    Locked,
    /// The refresh lock cannot be made: path, cause and cure.
    NotLockable(String),
    /// The new tokens could not be saved: path, cause and cure.
    NotSavable(String),
}

impl Obstacle {
    /// The obstacle met at `at`; the same one as `before` has stood since then.
    pub(crate) fn met(what: Hindrance, at: Timestamp, seen: &ObservedEntry, before: Option<&Self>) -> Self {
        let same = before.filter(|before| {
            before.access == seen.access
                && std::mem::discriminant(&before.what) == std::mem::discriminant(&what)
        });
        Self { since: same.map_or(at, |before| before.since), what, at, access: seen.access }
    }

    /// Whether it still speaks of what the store holds: no other token is there, and no later attempt ended.
    pub(crate) fn stands(&self, seen: &ObservedEntry, record: &Record) -> bool {
        self.access == seen.access && record.last.as_ref().is_none_or(|last| last.at <= self.at)
    }
}
