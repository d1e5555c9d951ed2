//! The keeper of one store: scans, plans, starts transactions, sleeps.

pub(crate) mod report;

mod access;
mod asked;
pub(crate) mod hold;
mod read_budget;
mod refreshed;
mod run_loop;
mod scheduler;
mod state;
mod told;

pub use access::{AccessGrant, Wanted};
pub use refreshed::{Refreshed, RefreshedHow};
pub use state::Mode;

use crate::coalesced::Coalesced;
use crate::journal::{Journal, Unfinished};
use crate::keeper::report::StoreReport;
use crate::store_access::committer::Committer;
use crate::store_access::settlement::close_unsettled;
use crate::store_access::shared::Grants;
use crate::store_access::shared::Shared;
use crate::{Client, Partners, Policy, Records};
use claude_store::{EntryKey, NeedsAuthCache};
use read_budget::ReadBudget;
use run_loop::{FIRST_REREAD, Replayed};
use state::KeeperState;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long a shutdown waits for a store that does not accept a pair, which the journal keeps: until a dead process's lock is stale (15 s)
/// and has been taken over.
const UNSAVED_PATIENCE: Duration = Duration::from_secs(40);
/// The same without a readable document, so that no client can write there either.
const ABSENT_PATIENCE: Duration = Duration::from_secs(2);
/// How often to check whether that is all there is to wait for.
const UNSAVED_LOOK: Duration = Duration::from_millis(500);

/// Everything a keeper needs.
pub struct Setup<P: Partners> {
    /// The store to keep.
    pub store: P::Store,
    /// The token endpoints.
    pub endpoint: Rc<P::Endpoint>,
    /// The clocks.
    pub clock: P::Clock,
    /// The source of Claude Code's activity and settings.
    pub client: P::Client,
    /// The observer of events.
    pub observer: Rc<P::Observer>,
    /// The user's settings.
    pub policy: Policy,
    /// The records.
    pub records: Records<P::Files>,
    /// The journal.
    pub journal: Journal<P::Files>,
    /// The journal's unfinished transactions for this store.
    pub unfinished: Vec<Unfinished>,
    /// The client's list of servers to skip.
    pub needs_auth: NeedsAuthCache<P::Files>,
    /// What the keepers of one process share.
    pub grants: Grants<P>,
    /// Whether to act without a request.
    pub mode: Mode,
}

/// The keeper of one store. Clones are handles to the same one; its task lives on the [`LocalSet`](tokio::task::LocalSet) it was started on.
pub struct Keeper<P: Partners> {
    inner: Rc<KeeperState<P>>,
}

impl<P: Partners> Clone for Keeper<P> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<P: Partners> Keeper<P> {
    /// Starts keeping the store. Must be called inside a [`LocalSet`](tokio::task::LocalSet).
    #[must_use]
    pub fn start(setup: Setup<P>) -> Self {
        let Setup {
            store,
            endpoint,
            clock,
            client,
            observer,
            policy,
            records,
            journal,
            unfinished,
            needs_auth,
            grants,
            mode,
        } = setup;
        let shared = Rc::new(Shared {
            store,
            endpoint,
            clock,
            client,
            observer,
            policy: RefCell::new(policy),
            records,
            journal,
            needs_auth,
            grants,
            committer: Committer::default(),
            reads: Coalesced::default(),
            unflags: Coalesced::default(),
            rooms: Coalesced::default(),
            endpoint_ready: Coalesced::default(),
            entries: RefCell::default(),
            runs: Cell::new(0),
            superseded: RefCell::default(),
            unsettled: RefCell::default(),
            vanished: RefCell::default(),
            in_flight: Cell::new(0),
            scanned: Cell::new(false),
            stopping: Cell::new(false),
            disregarded: RefCell::default(),
            returned: Notify::new(),
            deleted: Cell::new(false),
            account_login: Cell::new(false),
            ended: Notify::new(),
            trouble: RefCell::new(None),
        });
        shared.grants.join(&shared);
        // A token whose fate the journal does not know must not be presented by any keeper.
        let unfinished = unfinished.into_iter().map(|open| Replayed::new(&shared, open)).collect();
        let inner = Rc::new(KeeperState {
            shared,
            mode,
            changed: Notify::new(),
            read_budget: ReadBudget::new(),
            version: Cell::new(None),
            unreadable: RefCell::new(None),
            reread: Cell::new(FIRST_REREAD),
            unreadable_told: RefCell::new(None),
            odd: RefCell::default(),
            entries_told: Cell::new(None),
            pings: RefCell::default(),
            scanned: Cell::new(false),
            first_scan: Notify::new(),
            next_wake: Cell::new(None),
            saving: Cell::new(false),
            run_over: Notify::new(),
        });
        compact::spawn_local(Rc::clone(&inner).run(unfinished));
        Self { inner }
    }

    /// Returns once the store has been scanned, whatever it held.
    pub async fn first_scan(&self) {
        while !self.inner.scanned.get() {
            self.inner.first_scan.notified().await;
        }
    }

    /// Call this when the store may have changed; the keeper waits for the burst to end.
    pub fn store_changed(&self) {
        self.inner.changed.notify_one();
    }

    /// Call this when a session has started. Resting entries are refreshed at once, without waiting for the burst to end: the session's first request
    /// comes soon, and if the agent is first, the session waits for the agent's lock instead of spending the refresh token itself.
    pub fn session_began(&self) {
        self.inner.shared.client.session_began();
        self.inner.shared.ended.notify_one();
    }

    /// Replaces the policy, starting with the next plan.
    pub fn set_policy(&self, policy: Policy) {
        self.inner.shared.policy.replace(policy);
        self.inner.shared.ended.notify_one();
    }

    /// Returns when the keeper's loop has taken a turn: proof that it is not stuck.
    pub async fn ping(&self) {
        let (sender, receiver) = oneshot::channel();
        self.inner.pings.borrow_mut().push(sender);
        self.inner.shared.ended.notify_one();
        // The loop ends only with the process.
        let _ = receiver.await;
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &P::Store {
        &self.inner.shared.store
    }

    /// The state of the store and its entries. Changes nothing.
    #[must_use]
    pub fn report(&self) -> StoreReport {
        self.inner.report()
    }

    /// Refreshes the named servers (all, if none is named) and waits for the results. Without `force` only those that are due, expired or
    /// waiting for a quiet moment. A token that may be spent is not presented either way.
    pub async fn refresh(&self, names: &[String], force: bool) -> Vec<Refreshed> {
        self.inner.scan().await;
        let wanted = self.inner.find(names);
        let mut running = Vec::new();
        for seen in wanted {
            let name = seen.entry.server_name.clone();
            let key = seen.entry.key.clone();
            let inner = Rc::clone(&self.inner);
            running.push((name, key, compact::spawn_local(async move { inner.asked(seen, force).await })));
        }
        let mut ends = Vec::new();
        for (name, key, task) in running {
            let how = task.await.unwrap_or_else(|_| RefreshedHow::Failed("the refresh was stopped".into()));
            ends.push(Refreshed { name, key: key.to_string(), how });
        }
        self.inner.shared.save_records().await;
        ends
    }

    /// The location of its store.
    #[must_use]
    pub fn location(&self) -> &str {
        self.inner.shared.location()
    }

    /// Reads the store if it may have changed.
    pub async fn look(&self) {
        self.inner.scan().await;
    }

    /// The entries with this name or key, as last seen.
    #[must_use]
    pub fn access_grants(&self, name: &str) -> Vec<AccessGrant> {
        self.inner.find(&[name.to_owned()]).iter().map(|seen| self.inner.grant(seen)).collect()
    }

    /// One entry as last seen.
    #[must_use]
    pub fn access_grant(&self, key: &EntryKey) -> Option<AccessGrant> {
        let current = self.inner.current(key)?;
        Some(self.inner.grant(&current))
    }

    /// Whether a refresh of this entry is running.
    #[must_use]
    pub fn is_renewing(&self, key: &EntryKey) -> bool {
        self.inner.is_running(key)
    }

    /// Refreshes the entry first if its token is not good for long enough or was refused, or waits for the refresh that is running. `None` if
    /// nothing had to be done. The caller sets the time limit: a refresh that has begun goes on without it (I6).
    pub async fn renew(&self, key: &EntryKey, wanted: Wanted) -> Option<RefreshedHow> {
        let ended = self.inner.renew(key, wanted).await;
        if ended.is_some() {
            self.inner.scan().await;
        }
        ended
    }

    /// Restores the entries that vanished together, each as it was with its last pair, and returns the names of
    /// their servers. Only ever at the user's request. Leaves entries alone that exist again or whose refresh token has been spent since.
    pub async fn restore_vanished(&self) -> Vec<String> {
        self.inner.scan().await;
        let back = crate::transaction::restore::restore(&self.inner.shared).await;
        self.inner.scan().await;
        self.inner.shared.ended.notify_one();
        back
    }

    /// Starts no new transaction, and returns when none is running and the records are saved. A pair that the store does not accept is left to
    /// the journal and the next start. The caller sets the time limit.
    pub async fn drain(&self) {
        self.inner.shared.stopping.set(true);
        let mut given_up = None;
        while self.inner.running() > 0 {
            if self.inner.only_unsaved_run() {
                let since = *given_up.get_or_insert_with(Instant::now);
                let absent = self.inner.unreadable.borrow().is_some();
                let patience = if absent { ABSENT_PATIENCE } else { UNSAVED_PATIENCE };
                if since.elapsed() >= patience && self.inner.shared.journal.sync().await.is_ok() {
                    break;
                }
            } else {
                given_up = None;
            }
            let again = tokio::time::sleep(UNSAVED_LOOK);
            tokio::select! {
                () = self.inner.shared.ended.notified() => {}
                () = again => {}
            }
        }
        // What cannot be saved now has been reported, and is in the journal.
        close_unsettled(&self.inner.shared).await;
    }

    /// The number of transactions in progress.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.running()
    }
}
