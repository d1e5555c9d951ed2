use crate::decide::memory::{Heal, Vanished, decide_heal};
use crate::journal::{Journal, TransactionId};
use crate::store_access::commit::Committer;
use crate::store_access::reading::Reader;
use crate::transaction::grants::Grants;
use crate::{Activity, Clock, Event, Now, Observer, Partners, Policy, Record, Records, Seen, Subject};
use claude_store::{Entry, EntryKey, NeedsAuthCache, RawEntry, Store, TokenChange};
use oauth_secret::TokenDigest;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

/// What the keeper of one store and its transactions share.
pub(crate) struct Shared<P: Partners> {
    pub(crate) store: P::Store,
    pub(crate) endpoint: Rc<P::Endpoint>,
    pub(crate) clock: P::Clock,
    pub(crate) client: P::Client,
    pub(crate) observer: Rc<P::Observer>,
    pub(crate) policy: RefCell<Policy>,
    pub(crate) records: Records<P::Files>,
    pub(crate) journal: Journal<P::Files>,
    pub(crate) needs_auth: NeedsAuthCache<P::Files>,
    /// What the keepers of all stores know of each other.
    pub(crate) grants: Grants<P>,
    pub(crate) committer: Committer,
    pub(crate) reader: Reader,
    pub(crate) tracked: RefCell<BTreeMap<EntryKey, Tracked>>,
    /// Pairs that another pair in the store made superfluous; kept until that one has refreshed once.
    pub(crate) superseded: RefCell<BTreeMap<EntryKey, Vec<Superseded>>>,
    /// Transactions that ended and whose pair or record is not known to be durable.
    pub(crate) unsettled: RefCell<Vec<TransactionId>>,
    pub(crate) vanished: RefCell<BTreeMap<EntryKey, Vanished>>,
    /// Transactions between their reservation and their end.
    pub(crate) in_flight: Cell<usize>,
    /// The document was looked at once: what is new from now on was written since.
    pub(crate) looked: Cell<bool>,
    /// No new transaction begins, and those that run are waited for.
    pub(crate) stopping: Cell<bool>,
    /// The whole document was missing at the last look.
    pub(crate) deleted: Cell<bool>,
    /// Wakes the keeper when a transaction ended.
    pub(crate) ended: tokio::sync::Notify,
    /// The last complaint about our own files, so that it is said once.
    pub(crate) trouble: RefCell<Option<String>>,
}

/// One entry as the keeper knows it.
#[derive(Default)]
pub(crate) struct Tracked {
    /// As the store holds it; `None` while the first look is still to come.
    pub(crate) current: Option<Seen>,
    /// The last live pair seen in or written to the store, for healing.
    pub(crate) last_live: Option<Seen>,
    /// The whole text of the entry when it was last seen with a refresh token: members that nobody here knows are in it, too.
    text: Option<RawEntry>,
    /// When the entry was first seen without tokens; `None` while it has some.
    pub(crate) stub_since: Option<Now>,
    /// It was seen without tokens, or was absent, since the transaction that runs began: what has tokens after that is a new login.
    pub(crate) emptied: bool,
    /// A transaction for this entry is running.
    pub(crate) running: bool,
    /// One was begun since the store was looked at last: what is known of it may be what it was before.
    pub(crate) begun_since_look: bool,
    /// Set when the entry is seen absent, for the transaction that is running (I5).
    pub(crate) forgotten: Rc<Cell<bool>>,
    /// The access token of a pair that a transaction is writing: a look may see it before the transaction has noted it as its own.
    pub(crate) writing: Option<TokenDigest>,
    /// Why an obtained pair is not in the store yet.
    pub(crate) unsaved: Option<String>,
    /// Transactions whose pair waits for a person's login to be over, one way or the other.
    pub(crate) held: Vec<TransactionId>,
    /// It was told that it rests.
    pub(crate) rests: bool,
    /// The need that was told, so that it is told once.
    pub(crate) told: Option<crate::decide::plan::Need>,
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
    pub(crate) fn heal(&self, seen: &Seen, now: Now, record: &Record) -> Heal {
        decide_heal(self.last_live.as_ref(), seen, self.stub_for(now), record)
    }

    /// Everything that could bring the entry back, and nothing of it stays here.
    pub(crate) fn take_memory(&mut self) -> (Option<Seen>, Option<RawEntry>) {
        (self.last_live.take(), self.text.take())
    }
}

/// An obtained pair that lost against another one.
pub(crate) struct Superseded {
    pub(crate) id: TransactionId,
    pub(crate) by: TokenDigest,
    pub(crate) tokens: TokenChange,
}

impl<P: Partners> Shared<P> {
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn location(&self) -> &str {
        self.store.location()
    }

    pub(crate) fn read_record<R>(&self, key: &EntryKey, look: impl FnOnce(&Record) -> R) -> R {
        self.records.read(self.location(), key, look)
    }

    pub(crate) fn change_record<R>(&self, key: &EntryKey, change: impl FnOnce(&mut Record) -> R) -> R {
        self.records.change(self.location(), key, change)
    }

    /// The entry has tokens again, or is gone: pairs that waited for that are of no use any more.
    pub(crate) fn release_held(&self, key: &EntryKey) {
        for id in self.track(key, |tracked| std::mem::take(&mut tracked.held)) {
            self.journal.done(id);
        }
    }

    /// Runs `change` on what is tracked of this entry.
    pub(crate) fn track<R>(&self, key: &EntryKey, change: impl FnOnce(&mut Tracked) -> R) -> R {
        let mut tracked = self.tracked.borrow_mut();
        if !tracked.contains_key(key) {
            tracked.insert(key.clone(), Tracked::default());
        }
        match tracked.get_mut(key) {
            Some(known) => change(known),
            None => change(&mut Tracked::default()),
        }
    }

    pub(crate) fn tell(&self, seen: &Seen, event: Event) {
        let entry = Some((seen.entry.key.as_str(), seen.entry.server_name.as_str()));
        self.observer.event(Subject { store: self.location(), entry }, &event);
    }

    pub(crate) fn tell_key(&self, key: &EntryKey, event: Event) {
        let entry = Some((key.as_str(), key.server_name()));
        self.observer.event(Subject { store: self.location(), entry }, &event);
    }

    pub(crate) fn tell_store(&self, event: Event) {
        self.observer.event(Subject { store: self.location(), entry: None }, &event);
    }

    /// Trouble with our own files: told once until it changes.
    pub(crate) fn state_trouble(&self, error: &dyn Display) {
        let why = error.to_string();
        if self.trouble.replace(Some(why.clone())).as_ref() != Some(&why) {
            self.tell_store(Event::StateTrouble { why });
        }
    }

    /// Saves the records; trouble is told. True where they are durable.
    pub(crate) async fn save_records(&self) -> bool {
        match self.records.save().await {
            Ok(()) => {
                // What is not settled is trouble still.
                if self.unsettled.borrow().is_empty() {
                    self.trouble.take();
                }
                true
            }
            Err(error) => {
                self.state_trouble(&error);
                false
            }
        }
    }

    /// When sessions of these stores were at work; asks the disk at most once per planning round.
    pub(crate) fn activity(&self) -> impl Fn() -> Activity {
        let cached = std::cell::OnceCell::new();
        move || *cached.get_or_init(|| self.grants.activity())
    }
}
