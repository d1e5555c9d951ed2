use crate::decide::memory::{Heal, decide_heal};
use crate::decide::need::Need;
use crate::journal::TransactionId;
use crate::records::obstacle::Obstacle;
use crate::{Now, ObservedEntry, Record};
use claude_store::{Entry, RawEntry, StubKind};
use oauth_secret::TokenDigest;
use std::time::Duration;

/// One entry as the keeper knows it.
#[derive(Default)]
pub(crate) struct EntryState {
    /// As the store holds it; `None` while the first look is still to come.
    pub(crate) current: Option<ObservedEntry>,
    /// The last live pair seen in or written to the store, for healing.
    pub(crate) last_live: Option<ObservedEntry>,
    /// The whole text of the entry when it was last seen with a refresh token: members that nobody here knows are in it, too.
    text: Option<RawEntry>,
    /// When the entry was first seen without tokens; `None` while it has some.
    pub(crate) stub_since: Option<Now>,
    /// What runs for this entry: at most one transaction, healing or replay at a time.
    run: Option<Run>,
    /// A run was begun since the store was scanned last: what is known of the entry may be what it was before.
    pub(crate) begun_since_scan: bool,
    /// The access token of a pair that is being written: a scan may see it before its transaction has noted it as its own.
    pub(crate) writing: Option<TokenDigest>,
    /// What stood in the way of the last refresh that was due.
    pub(crate) obstacle: Option<Obstacle>,
    /// Transactions whose pair waits for a person's login to be over, one way or the other.
    pub(crate) held: Vec<TransactionId>,
    /// It was told that it rests.
    pub(crate) rests: bool,
    /// The need that was told, so that it is told once.
    pub(crate) told: Option<Need>,
}

/// Which run: no two of one keeper have the same number, so an answer that comes late is never taken for that of a later run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(pub(super) u64);

/// A run, and what was seen of its entry since it began.
struct Run {
    id: RunId,
    /// The entry was seen absent or logged out (I5).
    forgotten: bool,
    /// It was seen without tokens, or was absent: what has tokens after that is a new login.
    emptied: bool,
    /// Why an obtained pair is not in the store yet.
    unsaved: Option<String>,
}

impl EntryState {
    /// Begins a run; false where one is under way.
    pub(super) fn begin(&mut self, id: RunId) -> bool {
        if self.run.is_some() {
            return false;
        }
        let stub = self.current.as_ref().and_then(|seen| seen.entry.stub_kind());
        let forgotten = stub == Some(StubKind::LoggedOut);
        self.run = Some(Run { id, forgotten, emptied: stub.is_some(), unsaved: None });
        self.begun_since_scan = true;
        true
    }

    /// Ends the run; true where nothing is to be kept of the entry, since it was removed meanwhile.
    pub(super) fn finish(&mut self) -> bool {
        self.run.take().is_some_and(|run| run.forgotten) && self.current.is_none()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// The entry was seen absent or logged out: what the run obtains for it is not to be written (I5).
    pub(crate) fn forget_run(&mut self) {
        if let Some(run) = &mut self.run {
            run.forgotten = true;
        }
    }

    /// Whether the entry was seen absent or logged out since this run began. One that is no longer the entry's run has nothing to write.
    pub(crate) fn is_forgotten(&self, id: RunId) -> bool {
        self.run.as_ref().is_none_or(|run| run.id != id || run.forgotten)
    }

    /// The entry was seen without tokens.
    pub(crate) fn note_emptied(&mut self) {
        if let Some(run) = &mut self.run {
            run.emptied = true;
        }
    }

    /// Whether the entry was seen without tokens since the run began.
    pub(crate) fn was_emptied(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.emptied)
    }

    /// Why the pair that the run obtained is not in the store yet.
    pub(crate) fn unsaved(&self) -> Option<&String> {
        self.run.as_ref()?.unsaved.as_ref()
    }

    /// Notes why the pair is not in the store; true where that is news.
    pub(crate) fn note_unsaved(&mut self, why: Option<&str>) -> bool {
        let Some(run) = &mut self.run else { return false };
        let news = run.unsaved.as_deref() != why;
        run.unsaved = why.map(str::to_owned);
        news
    }

    /// Remembers the entry's text, where it holds a refresh token: a stub is nothing to bring back.
    pub(crate) fn remember(&mut self, entry: &Entry, text: Option<&str>) {
        let known = self.text.as_ref().map(RawEntry::expose);
        if entry.refresh_token.is_some() && known != text {
            self.text = text.map(RawEntry::new);
        }
    }

    /// Takes note that the store holds this now, as far as it is a stub or is not.
    pub(crate) fn note_stub(&mut self, seen: &ObservedEntry, now: Now) {
        self.stub_since = seen.entry.is_stub().then(|| self.stub_since.unwrap_or(now));
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
