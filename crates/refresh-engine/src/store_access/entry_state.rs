use crate::decide::memory::{Heal, decide_heal};
use crate::decide::need::Need;
use crate::journal::TransactionId;
use crate::records::obstacle::Obstacle;
use crate::{Now, ObservedEntry, Record};
use claude_store::{Entry, RawEntry, StubKind};
use oauth_secret::TokenDigest;
use std::rc::Rc;
use std::time::Duration;

/// One entry as the keeper knows it.
#[derive(Default)]
pub(crate) struct EntryState {
    /// As the store holds it; `None` before the first scan.
    pub(crate) current: Option<Rc<ObservedEntry>>,
    /// The last live pair seen in or written to the store, for healing. Mostly the present one, and then the same one in memory.
    pub(crate) last_live: Option<Rc<ObservedEntry>>,
    /// The whole text of the entry when it was last seen with a refresh token, including unknown members.
    text: Option<RawEntry>,
    /// When the entry was first seen without tokens; `None` if it has some.
    pub(crate) stub_since: Option<Now>,
    /// What runs for this entry: at most one transaction, healing or replay at a time.
    run: Option<Run>,
    /// A run has started since the last scan: what is known of the entry may be outdated.
    pub(crate) begun_since_scan: bool,
    /// The access token of a pair being written: a scan may see it before its transaction has noted it as its own.
    pub(crate) writing: Option<TokenDigest>,
    /// What kept the last due refresh from starting.
    pub(crate) obstacle: Option<Obstacle>,
    /// Transactions whose pair waits for the user's login to succeed or fail.
    pub(crate) held: Vec<TransactionId>,
    /// Its grant moves to or from this store: if it disappears, that is no logout.
    pub(crate) moves: bool,
    /// Its rest has been reported.
    pub(crate) rests: bool,
    /// The last reported need, so that it is reported once.
    pub(crate) told: Option<Need>,
}

/// Identifies a run. A keeper never reuses a number, so a late answer is never taken for a later run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(pub(super) u64);

/// A run, and what was seen of its entry since it started.
struct Run {
    id: RunId,
    /// The entry was seen absent or logged out (I5).
    forgotten: bool,
    /// It was seen without tokens or absent: tokens after that are a new login.
    emptied: bool,
    /// Why an obtained pair is not in the store yet.
    unsaved: Option<String>,
}

impl EntryState {
    /// Starts a run; false if one is in progress.
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

    /// Ends the run; true if the entry was removed meanwhile and must be forgotten.
    pub(super) fn finish(&mut self) -> bool {
        self.run.take().is_some_and(|run| run.forgotten) && self.current.is_none()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Notes that the entry was seen absent or logged out: the run must not write what it obtains (I5).
    pub(crate) fn forget_run(&mut self) {
        if let Some(run) = &mut self.run {
            run.forgotten = true;
        }
    }

    /// Whether the entry was seen absent or logged out since this run started. A run that is no longer the entry's must not write either.
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

    /// Notes why the pair is not in the store; true if that is news.
    pub(crate) fn note_unsaved(&mut self, why: Option<&str>) -> bool {
        let Some(run) = &mut self.run else { return false };
        let news = run.unsaved.as_deref() != why;
        run.unsaved = why.map(str::to_owned);
        news
    }

    /// Remembers the entry's text if it holds a refresh token: a stub is not worth restoring.
    pub(crate) fn remember(&mut self, entry: &Entry, text: Option<&str>) {
        let known = self.text.as_ref().map(RawEntry::expose);
        if entry.refresh_token.is_some() && known != text {
            self.text = text.map(RawEntry::new);
        }
    }

    /// Notes whether the store now holds a stub.
    pub(crate) fn note_stub(&mut self, seen: &ObservedEntry, now: Now) {
        self.stub_since = seen.entry.is_stub().then(|| self.stub_since.unwrap_or(now));
    }

    /// How long the entry has been without tokens.
    pub(crate) fn stub_for(&self, now: Now) -> Duration {
        self.stub_since.map_or(Duration::ZERO, |since| now.boot.saturating_sub(since.boot))
    }

    /// What is broken about this entry, as far as known.
    pub(crate) fn heal(&self, seen: &ObservedEntry, stub_for: Duration, record: &Record) -> Heal {
        decide_heal(self.last_live.as_deref(), seen, stub_for, record)
    }

    /// Takes everything that could restore the entry.
    pub(crate) fn take_memory(&mut self) -> (Option<Rc<ObservedEntry>>, Option<RawEntry>) {
        (self.last_live.take(), self.text.take())
    }
}
