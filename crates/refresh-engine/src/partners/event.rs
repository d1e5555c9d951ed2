use crate::Narrowing;
use crate::decide::need::Need;
use crate::decide::planned::Reason;
use crate::records::outcome::Outcome;
use claude_store::StubKind;
use jiff::Timestamp;
use oauth_secret::{Fingerprint, TokenDigest};
use std::time::Duration;

/// Something that happened to one entry or one store: a line in the log, later in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The store was read and holds this many entries. Sent at the start and when the number changes.
    StoreSeen {
        /// Well-formed entries.
        entries: usize,
    },
    /// The store cannot be read; nothing is written and nothing forgotten.
    StoreUnreadable {
        /// Path, cause and remedy.
        why: String,
        /// There is no document yet.
        absent: bool,
    },
    /// The store can be read again.
    StoreReadable,
    /// One entry is malformed; it is left alone.
    EntryOdd {
        /// What is wrong, and what to do.
        why: String,
    },
    /// What an entry holds: sent at its first scan, and whenever another program changed it.
    Held {
        /// Access token.
        access: Option<Fingerprint>,
        /// Refresh token.
        refresh: Option<Fingerprint>,
        /// When the access token ends, if known.
        expires_at: Option<Timestamp>,
        /// Why it holds no tokens.
        stub: Option<StubKind>,
    },
    /// Another program wrote new tokens into an entry, or added one.
    Adopted {
        /// Refresh token before.
        before: Option<Fingerprint>,
        /// Refresh token now.
        now: Option<Fingerprint>,
    },
    /// The entry got the pair that was obtained for another entry of the same grant.
    Shared {
        /// Refresh token before.
        before: Option<Fingerprint>,
        /// Refresh token now.
        now: Option<Fingerprint>,
        /// When the new access token ends, if known.
        expires_at: Option<Timestamp>,
    },
    /// An entry was removed from the store; everything remembered of it is forgotten.
    Removed,
    /// An entry was removed because its grant moved to another store of this program, at the user's request.
    Moved,
    /// Several entries vanished in one write, or one with the document or the account login: that is no logout from a server.
    VanishedTogether {
        /// The names of their servers.
        servers: Vec<String>,
    },
    /// A refresh begins: the request goes out next.
    Refreshing {
        /// Why.
        reason: Reason,
        /// The refresh token that is presented.
        refresh: Fingerprint,
    },
    /// A refresh ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// In words.
        detail: String,
        /// Refresh token before.
        before: Option<Fingerprint>,
        /// Refresh token now.
        now: Option<Fingerprint>,
        /// The new access token's life, where the answer named it.
        lifetime: Option<Duration>,
        /// When the new access token ends, if known.
        expires_at: Option<Timestamp>,
        /// The next attempt, where it failed.
        retry_in: Option<Duration>,
    },
    /// The answers grant less than the login: sent when noticed, and when asking for the login's scope did not help.
    Narrowed {
        /// What is missing.
        narrowing: Narrowing,
    },
    /// A pair was obtained and cannot be saved yet; it is in the journal.
    Unsaved {
        /// Path, cause and remedy.
        why: String,
        /// The next attempt.
        retry_in: Duration,
    },
    /// A refresh was not started because its result could not be saved.
    NotSavable {
        /// Path, cause and remedy.
        why: String,
    },
    /// Another process holds the entry's lock; it is refreshing.
    Locked {
        /// Which lock, how old.
        why: String,
    },
    /// The entry's lock cannot be created by anybody, or not by this user.
    NotLockable {
        /// Path, cause and remedy.
        why: String,
    },
    /// A wiped or overwritten entry was healed.
    Healed {
        /// What had happened to it.
        why: &'static str,
        /// The refresh token that is in the store again.
        now: Option<Fingerprint>,
        /// When the access token beside it ends, if known.
        expires_at: Option<Timestamp>,
    },
    /// The server was removed from the client's list of servers to skip.
    Unflagged,
    /// That list could not be changed; the next session may skip the server for up to 15 minutes.
    UnflagFailed {
        /// Path, cause and remedy.
        why: String,
    },
    /// The journal held something unfinished when the agent started.
    Replayed {
        /// Its outcome.
        what: &'static str,
    },
    /// No session is expected to use it: its access token may expire.
    Rests,
    /// It is kept fresh again, or was refreshed meanwhile.
    RestOver,
    /// The user is needed.
    NeedsPerson {
        /// Why.
        need: Need,
    },
    /// Our own records or journal cannot be written.
    StateTrouble {
        /// Path, cause and remedy.
        why: String,
    },
}

impl Event {
    /// A refresh begins.
    pub(crate) fn refreshing(reason: Reason, presented: TokenDigest) -> Self {
        Self::Refreshing { reason, refresh: presented.fingerprint() }
    }

    /// A refresh ended without a new pair: the refresh token is still the current one.
    pub(crate) fn failed(
        outcome: Outcome,
        detail: String,
        presented: TokenDigest,
        retry_in: Option<Duration>,
    ) -> Self {
        let (before, now) = (Some(presented.fingerprint()), Some(presented.fingerprint()));
        Self::Ended { outcome, detail, before, now, lifetime: None, expires_at: None, retry_in }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The store's location.
    pub store: &'a str,
    /// The entry's key and its server's name; `None` if the event is about the whole store.
    pub entry: Option<(&'a str, &'a str)>,
}

/// Receives events: the log, the history, notices.
pub trait Observer: 'static {
    /// Called once per event, in order.
    fn event(&self, subject: Subject<'_>, event: &Event);
}
