//! May the answer overwrite what the store holds now? Decided when the answer arrives, against the entry as it was when
//! the request was decided.

use crate::{ObservedEntry, Record};
use claude_store::{ExpiresAt, StubKind};
use oauth_secret::TokenDigest;
use serde::{Deserialize, Serialize};

/// The entry as it was read under the refresh lock, right before the request. Digests suffice to recognise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Its refresh token.
    pub refresh: Option<TokenDigest>,
    /// Its access token.
    pub access: Option<TokenDigest>,
    /// Its `expiresAt`, in milliseconds since 1970; 0 is the client's "always expired".
    pub expires_at_ms: Option<i64>,
}

impl Expected {
    /// What identifies an entry.
    #[must_use]
    pub fn of(seen: &ObservedEntry) -> Self {
        let expires_at_ms = match seen.entry.expires_at {
            ExpiresAt::Absent => None,
            ExpiresAt::Zero => Some(0),
            ExpiresAt::At(milliseconds) => Some(milliseconds),
        };
        Self { refresh: seen.refresh, access: seen.access, expires_at_ms }
    }
}

/// The pair of an answer, as far as the comparison needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obtained {
    /// The new access token.
    pub access: TokenDigest,
    /// The refresh token that was presented for it.
    pub presented: TokenDigest,
    /// The new refresh token, where the server rotates.
    pub refresh: Option<TokenDigest>,
}

impl Obtained {
    /// The current refresh token: the new one, else the presented one.
    #[must_use]
    pub fn resulting_refresh(&self) -> TokenDigest {
        self.refresh.unwrap_or(self.presented)
    }

    /// True if the presented refresh token was exchanged for another.
    #[must_use]
    pub fn rotated(&self) -> bool {
        self.refresh.is_some_and(|refresh| refresh != self.presented)
    }
}

/// What to do with an obtained pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteDecision {
    /// The entry is as it was: write the pair.
    Write,
    /// Another program's failed refresh wiped the entry: write the pair and restore what the wipe took.
    Repair,
    /// The entry was emptied, and the user may be logging in: tokens that reappear could keep the client from starting (measured).
    /// The pair waits until the login must be over.
    AwaitLogin,
    /// The pair is in the store already.
    AlreadyThere,
    /// The store holds another live pair: keep that one.
    Superseded,
    /// The entry was removed: leave it removed (I5).
    Gone,
}

/// Decides what to do with an obtained pair, given what the store holds now. `forgotten` is true if the entry was seen absent
/// at any time since the request was decided: the user removed it, and what the store holds now is another grant or a stub, unless
/// it is the very token that was presented, back from an older copy.
#[must_use]
pub fn decide_write(
    expected: Expected,
    obtained: Obtained,
    now: Option<&ObservedEntry>,
    forgotten: bool,
    record: &Record,
) -> WriteDecision {
    let Some(seen) = now else { return WriteDecision::Gone };
    // A server may repeat an access token that is still good, with another expiry or refresh token: only an entry that has changed can
    // already hold the answer.
    let as_it_was = Expected::of(seen) == expected;
    if !as_it_was
        && seen.access == Some(obtained.access)
        && seen.refresh == Some(obtained.resulting_refresh())
    {
        return WriteDecision::AlreadyThere;
    }
    // The store holds a refresh token that our answer has spent: a lost update, or a write lost in a power cut.
    if obtained.rotated() && seen.refresh == Some(obtained.presented) {
        return WriteDecision::Write;
    }
    if forgotten {
        return WriteDecision::Gone;
    }
    if as_it_was {
        return WriteDecision::Write;
    }
    match (seen.refresh, seen.entry.stub_kind()) {
        (None, Some(StubKind::FailedRefresh)) => WriteDecision::Repair,
        (None, Some(StubKind::LoggedOut)) => WriteDecision::Gone,
        // One that was spent or replaced before: the same.
        (Some(refresh), _) if record.is_spent(refresh) || record.was_replaced(seen) => WriteDecision::Write,
        _ => WriteDecision::Superseded,
    }
}
