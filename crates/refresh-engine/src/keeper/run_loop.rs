//! The keeper's loop: scan, plan, sleep until something happens.

use super::state::KeeperState;
use crate::journal::Unfinished;
use crate::store_access::reading::{Unreadable, document, read};
use crate::store_access::scan::{note_emptied, scan};
use crate::store_access::settlement::close_unsettled;
use crate::store_access::shared::Shared;
use crate::transaction::grants::Presenting;
use crate::transaction::replay::{is_pair, replay};
use crate::{Clock, Event, Now, Partners};
use claude_store::{EntryKey, Snapshot, Store, Version};
use compact::Map;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The store is scanned once no change has followed for this long, since programs write in bursts…
const SETTLED: Duration = Duration::from_millis(250);
/// …but not later than this after the first sign.
const SETTLED_AT_LAST: Duration = Duration::from_secs(1);
/// An unreadable store is retried after this, doubling up to the longest.
pub(super) const FIRST_REREAD: Duration = Duration::from_secs(1);
const LONGEST_REREAD: Duration = Duration::from_secs(5 * 60);
/// Records are saved this long after a change, so that a storm costs a few writes.
const SAVE_AFTER: Duration = Duration::from_millis(500);
/// A failed save is retried after this, doubling up to the longest.
const FIRST_RESAVE: Duration = Duration::from_secs(5);
const LONGEST_RESAVE: Duration = Duration::from_secs(5 * 60);

/// Unfinished transactions in the journal. Each token counts as being presented until its fate is known.
pub(super) struct Replayed<P: Partners> {
    open: Unfinished,
    presenting: Presenting<P>,
}

impl<P: Partners> Replayed<P> {
    pub(super) fn new(shared: &Shared<P>, open: Unfinished) -> Self {
        let presenting = shared.grants.present(open.intent.presented);
        Self { open, presenting }
    }
}

impl<P: Partners> KeeperState<P> {
    pub(super) async fn run(self: Rc<Self>, mut unfinished: Vec<Replayed<P>>) {
        self.scan().await;
        loop {
            unfinished = self.replay(unfinished);
            let wake = self.plan_all();
            self.next_wake.set(wake);
            self.after_turn();
            let shared = &self.shared;
            tokio::select! {
                // Always in this order, so that a run in virtual time is reproducible; none can starve the others.
                biased;
                () = self.changed.notified() => self.settle_down().await,
                () = shared.ended.notified() => {}
                () = sleep(&shared.clock, wake) => {}
            }
            self.scan().await;
        }
    }

    /// Waits until a burst of changes is over. Still notes what appears and disappears meanwhile, and keeps starting refreshes that wait for
    /// their turn: in a storm the changes are our own.
    async fn settle_down(self: &Rc<Self>) {
        self.probe().await;
        let mut quiet = pin!(tokio::time::sleep(SETTLED));
        // Scan even if the burst does not end.
        let mut at_last = pin!(tokio::time::sleep(SETTLED_AT_LAST));
        loop {
            tokio::select! {
                biased;
                () = &mut at_last => {
                    // A version already noted costs nothing.
                    let version = self.shared.store.version().await.ok();
                    let wait = self.read_budget.wait_for(size_of(version));
                    if version == self.version.get() || wait.is_zero() {
                        let _ = self.read_budget.take(size_of(version));
                        return;
                    }
                    at_last.as_mut().reset(Instant::now() + wait);
                }
                () = self.changed.notified() => {
                    self.probe().await;
                    quiet.as_mut().reset(Instant::now() + SETTLED);
                }
                () = self.shared.ended.notified() => self.start_waiting(),
                () = &mut quiet => return,
            }
        }
    }

    fn after_turn(self: &Rc<Self>) {
        if !self.scanned.replace(true) {
            self.first_scan.notify_waiters();
        }
        for ping in self.pings.take() {
            // The caller may have given up.
            let _ = ping.send(());
        }
        let unsaved = self.shared.records.unsaved() || !self.shared.unsettled.borrow().is_empty();
        if unsaved && !self.saving.replace(true) {
            compact::spawn_local(Rc::clone(self).save());
        }
    }

    /// Saves the records and retries syncs that failed, until the disk accepts them.
    async fn save(self: Rc<Self>) {
        let mut pause = SAVE_AFTER;
        loop {
            tokio::time::sleep(pause).await;
            let saved = close_unsettled(&self.shared).await;
            if let Err(error) = self.shared.journal.tidy().await {
                self.shared.state_trouble(&error);
            }
            if saved {
                break;
            }
            pause = (pause * 2).clamp(FIRST_RESAVE, LONGEST_RESAVE);
        }
        self.saving.set(false);
    }

    /// Takes note of the store during a burst: an old client may write an older document over a new pair before the burst is over,
    /// and only a pair that was seen can be restored; and a login empties its entry while the browser is open. The next scan handles what cannot be read now. A store without change notification
    /// takes long to read; a pair that a transaction is about to note as its own would look like another program's; and a large document that changes endlessly is
    /// read only now and then.
    async fn probe(&self) {
        let store = &self.shared.store;
        // While transactions run, what matters is whether a login empties an entry whose answer is awaited.
        let matters = self.running() == 0 || self.shared.committer.awaits_answers();
        if store.look_again_in().is_some() || self.unreadable.borrow().is_some() || !matters {
            return;
        }
        let version = store.version().await.ok();
        if version.is_none() || version == self.version.get() || !self.read_budget.take(size_of(version)) {
            return;
        }
        let Ok(snapshot) = read(store).await else { return };
        let Ok(document) = document(store, &snapshot) else { return };
        if self.running() == 0 {
            drop(document);
            self.note(Ok(snapshot));
        } else {
            note_emptied(&self.shared, &document);
        }
    }

    /// Scans the store if it may have changed.
    pub(super) async fn scan(&self) {
        let store = &self.shared.store;
        let version = store.version().await.ok();
        if version.is_some() && version == self.version.get() && self.unreadable.borrow().is_none() {
            return;
        }
        self.note(read(store).await);
    }

    fn note(&self, read: Result<Snapshot, Unreadable>) {
        let shared = &self.shared;
        self.version.set(read.as_ref().ok().map(Snapshot::version));
        shared.entries.borrow_mut().values_mut().for_each(|known| known.begun_since_scan = false);
        match scan(shared, read) {
            Ok(odd) => {
                // First all entries, then that this is all of them.
                for (key, why) in odd.iter().filter(|odd| !self.odd.borrow().contains(odd)) {
                    shared.tell_key(&EntryKey::new(key.as_str()), Event::EntryOdd { why: why.clone() });
                }
                self.odd.replace(odd);
                self.tell_readable();
                self.unreadable.take();
            }
            Err(error) => {
                self.tell_unreadable(&error);
                self.unreadable.replace(Some(error));
            }
        }
    }

    fn tell_unreadable(&self, error: &Unreadable) {
        let again = self.unreadable.borrow().is_some();
        let pause = if again { (self.reread.get() * 2).min(LONGEST_REREAD) } else { FIRST_REREAD };
        self.reread.set(pause);
        let (why, absent) = (error.to_string(), error.is_absent());
        // Documents half-written by old clients are complete within a second: report only if it lasts.
        let lasts = again || absent || !self.scanned.get();
        if lasts && self.unreadable_told.replace(Some(why.clone())).as_ref() != Some(&why) {
            self.shared.tell_store(Event::StoreUnreadable { why, absent });
        }
    }

    fn tell_readable(&self) {
        if self.unreadable_told.take().is_some() {
            self.shared.tell_store(Event::StoreReadable);
        }
        let entries = self.shared.entries.borrow().values().filter(|known| known.current.is_some()).count();
        if self.entries_told.replace(Some(entries)) != Some(entries) {
            self.shared.tell_store(Event::StoreSeen { entries });
        }
    }

    /// Finishes the journal's open transactions. Returns those that must wait for a readable store: only the store can tell what became of a
    /// request, and an unmounted home must not cost what the journal knows. A pair waits by itself.
    fn replay(self: &Rc<Self>, unfinished: Vec<Replayed<P>>) -> Vec<Replayed<P>> {
        let readable = self.unreadable.borrow().is_none();
        let mut waiting = Vec::new();
        // Those of one entry in the order they were started: each builds on the pair of the previous one.
        let mut by_entry = Map::<EntryKey, Vec<Replayed<P>>>::new();
        for unfinished in unfinished {
            by_entry.entry(unfinished.open.intent.entry_key()).or_default().push(unfinished);
        }
        for (key, opens) in by_entry {
            if !readable && !opens.iter().all(|unfinished| is_pair(&unfinished.open)) {
                waiting.extend(opens);
                continue;
            }
            let Some(run) = self.shared.begin(&key) else {
                waiting.extend(opens);
                continue;
            };
            let inner = Rc::clone(self);
            compact::spawn_local(async move {
                for Replayed { open, presenting } in opens {
                    let current = inner.shared.state(&key, |state| state.current.clone());
                    replay(&inner.shared, run, open, current).await;
                    drop(presenting);
                }
                inner.finished(&key);
            });
        }
        waiting
    }
}

/// The cost of reading it.
fn size_of(version: Option<Version>) -> u64 {
    match version {
        Some(Version::File(stamp)) => stamp.size,
        _ => 0,
    }
}

async fn sleep<C: Clock>(clock: &C, wake: Option<Now>) {
    match wake {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
