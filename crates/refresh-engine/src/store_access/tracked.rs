use crate::decide::memory::{Heal, decide_heal};
use crate::decide::need::Need;
use crate::journal::TransactionId;
use crate::records::obstacle::Obstacle;
use crate::{Now, ObservedEntry, Record};
use claude_store::{Entry, RawEntry};
use oauth_secret::TokenDigest;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// One entry as the keeper knows it.
#[derive(Default)]
pub(crate) struct Tracked {
    /// As the store holds it; `None` while the first look is still to come.
    pub(crate) current: Option<ObservedEntry>,
    /// The last live pair seen in or written to the store, for healing.
    pub(crate) last_live: Option<ObservedEntry>,
    /// The whole text of the entry when it was last seen with a refresh token: members that nobody here knows are in it, too.
    text: Option<RawEntry>,
    /// When the entry was first seen without tokens; `None` while it has some.
    pub(crate) stub_since: Option<Now>,
    /// It was seen without tokens, or was absent, since the transaction that runs began: what has tokens after that is a new login.
    pub(crate) emptied: bool,
    /// A transaction for this entry is running.
    pub(crate) running: bool,
    /// One was begun since the store was looked at last: what is known of it may be what it was before.
    pub(crate) begun_since_scan: bool,
    /// Set when the entry is seen absent, for the transaction that is running (I5).
    pub(crate) forgotten: Rc<Cell<bool>>,
    /// The access token of a pair that a transaction is writing: a look may see it before the transaction has noted it as its own.
    pub(crate) writing: Option<TokenDigest>,
    /// Why an obtained pair is not in the store yet.
    pub(crate) unsaved: Option<String>,
    /// What stood in the way of the last refresh that was due.
    pub(crate) obstacle: Option<Obstacle>,
    /// Transactions whose pair waits for a person's login to be over, one way or the other.
    pub(crate) held: Vec<TransactionId>,
    /// It was told that it rests.
    pub(crate) rests: bool,
    /// The need that was told, so that it is told once.
    pub(crate) told: Option<Need>,
}

impl Tracked {
    /// Remembers the entry's text, where it holds a refresh token: a stub is nothing to bring back.
    pub(crate) fn remember(&mut self, entry: &Entry, text: Option<&str>) {
        let known = self.text.as_ref().map(RawEntry::expose);
        if entry.refresh_token.is_some() && known != text {
            self.text = text.map(RawEntry::new);
        }
    }

    /// How long the entry has been without tokens.
    pub(crate) fn stub_for(&self, now: Now) -> Duration {
        self.stub_since.map_or(Duration::ZERO, |since| now.boot.saturating_sub(since.boot))
    }

    /// What is broken about this entry, as it is known now.
    pub(crate) fn heal(&self, seen: &ObservedEntry, now: Now, record: &Record) -> Heal {
        decide_heal(self.last_live.as_ref(), seen, self.stub_for(now), record)
    }

    /// Everything that could bring the entry back, and nothing of it stays here.
    pub(crate) fn take_memory(&mut self) -> (Option<ObservedEntry>, Option<RawEntry>) {
        (self.last_live.take(), self.text.take())
    }
}
