use super::read_budget::ReadBudget;
use super::report::{Circumstances, StoreReport, report_entry};
use crate::store_access::reading::Unreadable;
use crate::store_access::shared::Shared;
use crate::{Now, ObservedEntry, Partners};
use claude_store::{EntryKey, Version};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Whether a keeper acts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plans and refreshes by itself.
    Watch,
    /// Acts only on request.
    OnlyAsked,
}

/// What a store's keeper remembers between turns of its loop.
pub(super) struct KeeperState<P: Partners> {
    pub(super) shared: Rc<Shared<P>>,
    pub(super) mode: Mode,
    pub(super) changed: Notify,
    pub(super) read_budget: ReadBudget,
    pub(super) version: Cell<Option<Version>>,
    pub(super) unreadable: RefCell<Option<Unreadable>>,
    pub(super) reread: Cell<Duration>,
    /// The last reported reason why it could not be read; each reason is reported once.
    pub(super) unreadable_told: RefCell<Option<String>>,
    pub(super) odd: RefCell<Vec<(String, String)>>,
    pub(super) entries_told: Cell<Option<usize>>,
    pub(super) pings: RefCell<Vec<oneshot::Sender<()>>>,
    pub(super) scanned: Cell<bool>,
    pub(super) first_scan: Notify,
    pub(super) next_wake: Cell<Option<Now>>,
    pub(super) saving: Cell<bool>,
    /// Wakes those who wait for a run to end. Not `ended`: a waiter there could take the loop's turn.
    pub(super) run_over: Notify,
}

impl<P: Partners> KeeperState<P> {
    pub(super) fn find(&self, names: &[String]) -> Vec<Rc<ObservedEntry>> {
        let entries = self.shared.entries.borrow();
        let named = |seen: &&Rc<ObservedEntry>| {
            names.is_empty()
                || names.iter().any(|name| *name == seen.entry.server_name || name == seen.entry.key.as_str())
        };
        entries.values().filter_map(|state| state.current.as_ref()).filter(named).cloned().collect()
    }

    /// True if every running transaction has its pair in the journal and is waiting to write it to the store.
    pub(super) fn only_unsaved_run(&self) -> bool {
        let entries = self.shared.entries.borrow();
        entries.values().filter(|state| state.is_running()).all(|state| state.unsaved().is_some())
    }

    pub(super) fn running(&self) -> usize {
        self.shared.entries.borrow().values().filter(|state| state.is_running()).count()
    }

    pub(super) fn finished(&self, key: &EntryKey) {
        // The store may have changed: the next turn scans, whatever the version says.
        self.version.set(None);
        self.shared.finish(key);
        self.run_over.notify_waiters();
        self.shared.ended.notify_waiters();
        self.shared.ended.notify_one();
    }

    pub(super) fn report(&self) -> StoreReport {
        let shared = &self.shared;
        let now = shared.now();
        let known = shared.entries.borrow();
        let policy = shared.policy.borrow();
        let activity = shared.activity();
        let entries = known.iter().filter_map(|(key, state)| {
            let circumstances = Circumstances {
                now,
                policy: &policy,
                activity: &activity,
                running: state.is_running(),
                unsaved: state.unsaved().cloned(),
                obstacle: state.obstacle.clone(),
            };
            let seen = state.current.as_ref()?;
            Some(shared.read_record(key, |record| report_entry(seen, record, &circumstances)))
        });
        StoreReport {
            location: shared.location().to_owned(),
            unreadable: self.unreadable.borrow().as_ref().map(ToString::to_string),
            absent: self.unreadable.borrow().as_ref().is_some_and(Unreadable::is_absent),
            entries: entries.collect(),
            odd: self.odd.borrow().clone(),
            vanished: shared
                .vanished
                .borrow()
                .values()
                .map(|gone| gone.seen.entry.server_name.clone())
                .collect(),
            journal_open: shared.journal.open_transactions(),
            next_wake: self.next_wake.get().map(|wake| wake.wall),
        }
    }
}
