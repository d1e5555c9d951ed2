use crate::coalesced::Coalesced;
use crate::decide::memory::Vanished;
use crate::journal::{Journal, TransactionId};
use crate::store_access::committer::Committer;
use crate::store_access::entry_state::{EntryState, RunId};
use crate::store_access::reading::Reading;
use crate::store_access::reading::Unreadable;
use crate::{
    Activity, Client, Clock, Event, Now, ObservedEntry, Observer, Partners, Policy, Record, Records,
    RecordsError, Subject,
};
use claude_store::{EntryKey, NeedsAuthCache, NeedsAuthError, Ownership, Store, TokenChange, WriteError};
use compact::{Map, Set};
use oauth_secret::TokenDigest;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::{Rc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// State shared by a store's keeper and its transactions.
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
    /// State shared by the keepers of all stores.
    pub(crate) grants: Grants<P>,
    pub(crate) committer: Committer,
    pub(crate) reads: Coalesced<EntryKey, Result<Reading, Unreadable>>,
    pub(crate) unflags: Coalesced<String, Result<bool, Rc<NeedsAuthError>>>,
    /// Room for documents of these sizes.
    pub(crate) rooms: Coalesced<usize, Result<(), Rc<WriteError>>>,
    pub(crate) endpoint_ready: Coalesced<(), ()>,
    /// Boxed, as a map holds room for entries that are not there.
    pub(crate) entries: RefCell<Map<EntryKey, Box<EntryState>>>,
    /// The number of the last run.
    pub(crate) runs: Cell<u64>,
    /// Pairs superseded by another one in the store; kept until that one has refreshed once.
    pub(crate) superseded: RefCell<Map<EntryKey, Vec<Superseded>>>,
    /// Ended transactions whose pair or record may not be durable yet.
    pub(crate) unsettled: RefCell<Vec<TransactionId>>,
    pub(crate) vanished: RefCell<Map<EntryKey, Vanished>>,
    /// Transactions between their reservation and their end.
    pub(crate) in_flight: Cell<usize>,
    /// The document has been scanned once: new entries were written after the start.
    pub(crate) scanned: Cell<bool>,
    /// Start no new transaction, and wait for the running ones.
    pub(crate) stopping: Cell<bool>,
    /// Entries whose grant is in another store of this program: without tokens they count as absent.
    pub(crate) disregarded: RefCell<Set<EntryKey>>,
    /// Notified when such an entry holds a refresh token.
    pub(crate) returned: Notify,
    /// The whole document was missing at the last scan.
    pub(crate) deleted: Cell<bool>,
    /// The document held an account login at the last look at a whole one.
    pub(crate) account_login: Cell<bool>,
    /// Wakes the keeper when a transaction ended.
    pub(crate) ended: Notify,
    /// The last reported trouble with our own files, so that it is reported once.
    pub(crate) trouble: RefCell<Option<String>>,
}

/// State shared by all keepers of one process. Clones share it.
pub struct Grants<P: Partners> {
    pub(crate) inner: Rc<GrantsInner<P>>,
}

pub(crate) struct GrantsInner<P: Partners> {
    keepers: RefCell<Vec<Weak<Shared<P>>>>,
    /// Refresh tokens that are being presented, or whose outcome the journal does not know yet.
    pub(crate) presenting: RefCell<Map<TokenDigest, u32>>,
    pub(crate) presented: Notify,
}

impl<P: Partners> Clone for Grants<P> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<P: Partners> Default for Grants<P> {
    fn default() -> Self {
        let inner = GrantsInner {
            keepers: RefCell::default(),
            presenting: RefCell::default(),
            presented: Notify::new(),
        };
        Self { inner: Rc::new(inner) }
    }
}

impl<P: Partners> Grants<P> {
    pub(crate) fn join(&self, keeper: &Rc<Shared<P>>) {
        self.inner.keepers.borrow_mut().push(Rc::downgrade(keeper));
    }

    pub(crate) fn keepers(&self) -> Vec<Rc<Shared<P>>> {
        self.inner.keepers.borrow().iter().filter_map(Weak::upgrade).collect()
    }

    /// When sessions of any store were active: several stores may share a token.
    pub(crate) fn activity(&self) -> Activity {
        let each = self.keepers().into_iter().map(|keeper| keeper.client.activity());
        each.fold(Activity::default(), Activity::and)
    }
}

/// An obtained pair that was superseded by another.
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

    /// The entry has tokens again or is gone: pairs that waited for this are obsolete.
    pub(crate) fn release_held(&self, key: &EntryKey) {
        for id in self.state(key, |state| std::mem::take(&mut state.held)) {
            self.journal.done(id);
        }
    }

    /// Applies `change` to this entry's state.
    pub(crate) fn state<R>(&self, key: &EntryKey, change: impl FnOnce(&mut EntryState) -> R) -> R {
        let mut entries = self.entries.borrow_mut();
        match entries.get_mut(key) {
            Some(state) => change(state),
            None => change(entries.entry(key.clone()).or_default()),
        }
    }

    /// How long an entry without tokens has been waiting for a login. Nobody logs in to a store of our own: there is nothing to wait
    /// for.
    pub(crate) fn stub_for(&self, state: &EntryState, now: Now) -> Duration {
        match self.store.ownership() {
            Ownership::Shared => state.stub_for(now),
            Ownership::Own => Duration::MAX,
        }
    }

    /// Starts a run for this entry: a transaction, a healing or a replay. `None` if another one is in progress.
    pub(crate) fn begin(&self, key: &EntryKey) -> Option<RunId> {
        let id = RunId(self.runs.get() + 1);
        self.runs.set(id.0);
        self.state(key, |state| state.begin(id)).then_some(id)
    }

    /// Ends this entry's run. If the entry was removed meanwhile, drops everything about it.
    pub(crate) fn finish(&self, key: &EntryKey) {
        let mut entries = self.entries.borrow_mut();
        if entries.get_mut(key).is_some_and(|state| state.finish()) {
            entries.remove(key);
            self.records.forget(self.location(), key);
        }
    }

    pub(crate) fn tell(&self, seen: &ObservedEntry, event: Event) {
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

    /// Reports trouble with our own files, once until it changes.
    pub(crate) fn state_trouble(&self, error: &dyn Display) {
        let why = error.to_string();
        if self.trouble.replace(Some(why.clone())).as_ref() != Some(&why) {
            self.tell_store(Event::StateTrouble { why });
        }
    }

    /// Saves the records and reports trouble. True if they are durable.
    pub(crate) async fn save_records(&self) -> bool {
        self.noted(self.records.save().await)
    }

    /// The same for one entry's record.
    pub(crate) async fn save_record(&self, key: &EntryKey) -> bool {
        self.noted(self.records.save_entry(self.location(), key).await)
    }

    fn noted(&self, saved: Result<(), RecordsError>) -> bool {
        match saved {
            Ok(()) => {
                // Unsettled transactions are still trouble.
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

    /// When sessions of these stores were active; reads the disk at most once per planning round.
    pub(crate) fn activity(&self) -> impl Fn() -> Activity {
        let cached = std::cell::OnceCell::new();
        move || *cached.get_or_init(|| self.grants.activity())
    }
}
