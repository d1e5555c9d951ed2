//! The keeper of one store: looks, plans, starts transactions, sleeps.

use crate::commit::Committer;
use crate::heal;
use crate::journal::{Journal, Unfinished};
use crate::look::{Findings, Unreadable, look_at};
use crate::memory::Heal;
use crate::plan::{Need, Plan, Until, plan};
use crate::replay::replay;
use crate::report::{Circumstances, StoreReport, report_entry};
use crate::shared::Shared;
use crate::transaction::{Demand, Ended, refresh};
use crate::{Clock, Event, Now, Partners, Policy, Records, Seen};
use claude_store::{EntryKey, NeedsAuthCache, Store, Version};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// A change is looked at when nothing more happened for this long, since programs write in bursts…
const SETTLED: Duration = Duration::from_millis(250);
/// …but not later than this after the first sign.
const SETTLED_AT_LAST: Duration = Duration::from_secs(1);
/// At most this many transactions at a time, and this many towards one host.
const RUNNING_AT_MOST: usize = 32;
const RUNNING_PER_HOST: usize = 10;
/// A store that cannot be read is looked at again after this, doubling up to the longest.
const FIRST_REREAD: Duration = Duration::from_secs(1);
const LONGEST_REREAD: Duration = Duration::from_secs(5 * 60);
/// Records are saved this long after a change, so that a storm costs a few writes.
const SAVE_AFTER: Duration = Duration::from_millis(500);

/// Everything a keeper needs.
pub struct Setup<P: Partners> {
    /// The store to keep.
    pub store: P::Store,
    /// Who answers for token endpoints.
    pub endpoint: Rc<P::Endpoint>,
    /// The clocks.
    pub clock: P::Clock,
    /// Who knows what Claude Code is doing.
    pub client: P::Client,
    /// Who is told.
    pub observer: Rc<P::Observer>,
    /// What the user set.
    pub policy: Policy,
    /// What is remembered.
    pub records: Records<P::Files>,
    /// The journal.
    pub journal: Journal<P::Files>,
    /// What the journal holds unfinished for this store.
    pub unfinished: Vec<Unfinished>,
    /// The client's list of servers to skip.
    pub needs_auth: NeedsAuthCache<P::Files>,
    /// Whether to act without being asked.
    pub mode: Mode,
}

/// Whether a keeper acts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plans and refreshes by itself.
    Watch,
    /// Only does what it is asked for.
    OnlyAsked,
}

/// The keeper of one store. Clones are handles to the same one; its task lives on the [`LocalSet`](tokio::task::LocalSet) it was started on.
pub struct Keeper<P: Partners> {
    inner: Rc<Inner<P>>,
}

impl<P: Partners> Clone for Keeper<P> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

pub(crate) struct Inner<P: Partners> {
    pub(crate) shared: Rc<Shared<P>>,
    mode: Mode,
    changed: Notify,
    version: Cell<Option<Version>>,
    unreadable: RefCell<Option<Unreadable>>,
    reread: Cell<Duration>,
    odd: RefCell<Vec<(String, String)>>,
    entries_told: Cell<Option<usize>>,
    pings: RefCell<Vec<oneshot::Sender<()>>>,
    looked: Cell<bool>,
    first_look: Notify,
    draining: Cell<bool>,
    next_wake: Cell<Option<Now>>,
    saving: Cell<bool>,
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
            committer: Committer::default(),
            tracked: RefCell::default(),
            superseded: RefCell::default(),
            vanished: RefCell::default(),
            in_flight: Cell::new(0),
            ended: Notify::new(),
            trouble: RefCell::new(None),
        });
        let inner = Rc::new(Inner {
            shared,
            mode,
            changed: Notify::new(),
            version: Cell::new(None),
            unreadable: RefCell::new(None),
            reread: Cell::new(FIRST_REREAD),
            odd: RefCell::default(),
            entries_told: Cell::new(None),
            pings: RefCell::default(),
            looked: Cell::new(false),
            first_look: Notify::new(),
            draining: Cell::new(false),
            next_wake: Cell::new(None),
            saving: Cell::new(false),
        });
        tokio::task::spawn_local(Rc::clone(&inner).run(unfinished));
        Self { inner }
    }

    /// Returns when the store was looked at once, whatever it held.
    pub async fn first_look(&self) {
        while !self.inner.looked.get() {
            self.inner.first_look.notified().await;
        }
    }

    /// To be called when the store may have changed; the keeper waits for quiet by itself.
    pub fn store_changed(&self) {
        self.inner.changed.notify_one();
    }

    /// Replaces the policy; the next plan goes by it.
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

    /// How the store and its entries are. Changes nothing.
    #[must_use]
    pub fn report(&self) -> StoreReport {
        self.inner.report()
    }

    /// Refreshes the named servers (all, if none is named) and waits for the ends. Without `force` only what is due, expired or
    /// waiting for a better moment.
    pub async fn refresh(&self, names: &[String], force: bool) -> Vec<Refreshed> {
        self.inner.look().await;
        let wanted = self.inner.find(names);
        let mut running = Vec::new();
        for seen in wanted {
            let name = seen.entry.server_name.clone();
            let key = seen.entry.key.clone();
            let inner = Rc::clone(&self.inner);
            running.push((
                name,
                key,
                tokio::task::spawn_local(async move { inner.asked(seen, force).await }),
            ));
        }
        let mut ends = Vec::new();
        for (name, key, task) in running {
            let how = task.await.unwrap_or_else(|_| RefreshedHow::Failed("the refresh was stopped".into()));
            ends.push(Refreshed { name, key: key.to_string(), how });
        }
        self.inner.shared.save_records().await;
        ends
    }

    /// Begins no new transaction, and returns when none is running and the records are saved. The caller sets the time limit.
    pub async fn drain(&self) {
        self.inner.draining.set(true);
        while self.inner.running() > 0 {
            self.inner.shared.ended.notified().await;
        }
        self.inner.shared.save_records().await;
    }

    /// Number of transactions under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.running()
    }
}

/// How a refresh that was asked for ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The server's name.
    pub name: String,
    /// The entry's key.
    pub key: String,
    /// How it ended.
    pub how: RefreshedHow,
}

/// How a refresh that was asked for ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshedHow {
    /// A new pair is in the store.
    Fresh,
    /// It is fresh enough, or somebody else refreshed it.
    NotNeeded,
    /// A transaction for this entry is running already.
    Running,
    /// The configuration says to leave it alone.
    Ignored,
    /// Only a person can help.
    NeedsPerson(Need),
    /// It failed: what, why, what next.
    Failed(String),
}

impl From<Ended> for RefreshedHow {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Fresh => Self::Fresh,
            Ended::NotNeeded => Self::NotNeeded,
            Ended::NeedsPerson(need) => Self::NeedsPerson(need),
            Ended::Removed => Self::Failed("the entry was removed meanwhile; nothing was written".into()),
            Ended::Locked(why) | Ended::NotSavable(why) | Ended::Unreadable(why) => Self::Failed(why),
            Ended::Failed(outcome, detail) => Self::Failed(format!("{}: {detail}", outcome.word())),
        }
    }
}

impl<P: Partners> Inner<P> {
    async fn run(self: Rc<Self>, unfinished: Vec<Unfinished>) {
        self.look().await;
        self.replay(unfinished);
        loop {
            let wake = self.plan_all();
            self.next_wake.set(wake);
            self.after_turn();
            let shared = &self.shared;
            tokio::select! {
                () = self.changed.notified() => self.settle_down().await,
                () = shared.ended.notified() => {}
                () = sleep(&shared.clock, wake) => {}
            }
            self.look().await;
        }
    }

    /// Waits until a burst of changes is over.
    async fn settle_down(&self) {
        let burst = async { while tokio::time::timeout(SETTLED, self.changed.notified()).await.is_ok() {} };
        // A burst without end is looked at all the same.
        let _ = tokio::time::timeout(SETTLED_AT_LAST, burst).await;
    }

    fn after_turn(self: &Rc<Self>) {
        if !self.looked.replace(true) {
            self.first_look.notify_waiters();
        }
        for ping in self.pings.take() {
            // Whoever pinged may have given up.
            let _ = ping.send(());
        }
        if self.shared.records.unsaved() && !self.saving.replace(true) {
            let inner = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(SAVE_AFTER).await;
                inner.shared.save_records().await;
                if let Err(error) = inner.shared.journal.tidy().await {
                    inner.shared.state_trouble(&error);
                }
                inner.saving.set(false);
            });
        }
    }

    /// Looks at the store if it may have changed.
    async fn look(self: &Rc<Self>) {
        let shared = &self.shared;
        let version = shared.store.version().await.ok();
        if version.is_some() && version == self.version.get() && self.unreadable.borrow().is_none() {
            return;
        }
        let read = shared.store.read().await;
        self.version.set(read.as_ref().ok().map(claude_store::Snapshot::version));
        let findings = look_at(shared, read);
        self.tell_readability(&findings);
        for (seen, remembered, heal) in findings.heal {
            self.start_heal(seen, remembered, heal);
        }
        if findings.unreadable.is_none() {
            for (key, why) in findings.odd.iter().filter(|odd| !self.odd.borrow().contains(odd)) {
                shared.tell_key(&EntryKey::new(key.as_str()), Event::EntryOdd { why: why.clone() });
            }
            self.odd.replace(findings.odd);
        }
        self.unreadable.replace(findings.unreadable);
    }

    fn tell_readability(&self, findings: &Findings) {
        let shared = &self.shared;
        let before = self.unreadable.borrow().clone();
        match (&findings.unreadable, before) {
            (Some(now), before) => {
                let again = before.is_some();
                self.reread.set(if again {
                    (self.reread.get() * 2).min(LONGEST_REREAD)
                } else {
                    FIRST_REREAD
                });
                // Half-written documents of old clients mend themselves within a second: said only if it lasts, or at the start.
                let lasts = self.reread.get() == FIRST_REREAD * 2 || !self.looked.get();
                if lasts || before.is_some_and(|before| before != *now) {
                    shared.tell_store(Event::StoreUnreadable { why: now.why.clone() });
                }
            }
            (None, Some(_)) => shared.tell_store(Event::StoreReadable),
            (None, None) => {}
        }
        let entries = self.shared.tracked.borrow().len();
        if findings.unreadable.is_none() && self.entries_told.replace(Some(entries)) != Some(entries) {
            shared.tell_store(Event::StoreSeen { entries });
        }
    }

    fn replay(self: &Rc<Self>, unfinished: Vec<Unfinished>) {
        for open in unfinished {
            let key = open.intent.entry_key();
            let current = self.shared.track(&key, |tracked| {
                tracked.running = true;
                tracked.current.clone()
            });
            let inner = Rc::clone(self);
            tokio::task::spawn_local(async move {
                replay(&inner.shared, open, current).await;
                inner.finished(&key);
            });
        }
    }

    fn start_heal(self: &Rc<Self>, seen: Seen, remembered: Seen, heal: Heal) {
        if self.mode == Mode::OnlyAsked || self.draining.get() || !self.begin(&seen.entry.key) {
            return;
        }
        let inner = Rc::clone(self);
        tokio::task::spawn_local(async move {
            match heal {
                Heal::PutBack => heal::put_back(&inner.shared, &seen, &remembered).await,
                Heal::TryRemembered => {
                    refresh(&inner.shared, &seen, Demand::Heal(Box::new(remembered))).await;
                }
                Heal::Nothing => {}
            }
            inner.finished(&seen.entry.key);
        });
    }

    /// Plans every entry, starts what is due, and returns when to plan again at the latest.
    fn plan_all(self: &Rc<Self>) -> Option<Now> {
        let shared = &self.shared;
        let now = shared.now();
        let mut due: Vec<Seen> = Vec::new();
        let mut wait: Option<Duration> = None;
        {
            let tracked = shared.tracked.borrow();
            let policy = shared.policy.borrow();
            let activity = shared.activity();
            for (key, known) in tracked.iter().filter(|(_, known)| !known.running) {
                let Some(seen) = &known.current else { continue };
                let (planned, pause) = shared.read_record(key, |record| {
                    let pause = record.retry.map_or(Duration::ZERO, |retry| retry.left(now));
                    (plan(now, seen, record, &activity, &policy), pause)
                });
                let next = match planned {
                    Plan::Refresh(_) => {
                        due.push(seen.clone());
                        None
                    }
                    Plan::Sleep { wait, .. } => Some(wait),
                    Plan::NeedsPerson(_) | Plan::Ignore(_) => Some(pause).filter(|pause| !pause.is_zero()),
                };
                wait = [wait, next].into_iter().flatten().min();
            }
        }
        self.tell_needs(now);
        // A store that cannot be read now cannot be refreshed into either.
        if self.mode == Mode::Watch && !self.draining.get() && self.unreadable.borrow().is_none() {
            self.start_due(due);
        }
        shared.vanished.borrow_mut().retain(|_, vanished| !vanished.kept_for(now).is_zero());
        let forgotten_in = shared.vanished.borrow().values().map(|vanished| vanished.kept_for(now)).min();
        wait = [wait, forgotten_in].into_iter().flatten().min();
        if self.unreadable.borrow().as_ref().is_some_and(|unreadable| !unreadable.absent) {
            wait = Some(wait.map_or(self.reread.get(), |wait| wait.min(self.reread.get())));
        }
        wait.map(|wait| now.after(wait))
    }

    /// Starts what is due: what expired last, and so was used last, first; not more at once than the limits say. The rest is
    /// started when others end.
    fn start_due(self: &Rc<Self>, mut due: Vec<Seen>) {
        due.sort_by_key(|seen| match seen.expiry {
            crate::Expiry::At(at) => std::cmp::Reverse(Some(at)),
            crate::Expiry::Unknown => std::cmp::Reverse(None),
        });
        for seen in due {
            if self.running() >= RUNNING_AT_MOST {
                break;
            }
            if self.running_towards(&seen) < RUNNING_PER_HOST {
                self.start(seen);
            }
        }
    }

    fn start(self: &Rc<Self>, seen: Seen) {
        if !self.begin(&seen.entry.key) {
            return;
        }
        let inner = Rc::clone(self);
        // I6: a task of its own; nothing that happens to the keeper's loop cuts it.
        tokio::task::spawn_local(async move {
            refresh(&inner.shared, &seen, Demand::Planned).await;
            heal::revive_superseded(&inner.shared, &seen).await;
            inner.finished(&seen.entry.key);
        });
    }

    /// One refresh that was asked for.
    async fn asked(self: &Rc<Self>, seen: Seen, force: bool) -> RefreshedHow {
        let shared = &self.shared;
        let now = shared.now();
        let demand = if force {
            Demand::Forced
        } else {
            let policy = shared.policy.borrow();
            let planned = shared
                .read_record(&seen.entry.key, |record| plan(now, &seen, record, &shared.activity(), &policy));
            match planned {
                Plan::Refresh(_) => Demand::Planned,
                // What waits for a better moment does not when a person asks.
                Plan::Sleep { until: Until::Quiet | Until::Retry, .. } => Demand::Forced,
                Plan::Sleep { .. } => return RefreshedHow::NotNeeded,
                Plan::NeedsPerson(need) => return RefreshedHow::NeedsPerson(need),
                Plan::Ignore(_) => return RefreshedHow::Ignored,
            }
        };
        if !self.begin(&seen.entry.key) {
            return RefreshedHow::Running;
        }
        let ended = refresh(shared, &seen, demand).await;
        self.finished(&seen.entry.key);
        ended.into()
    }

    fn begin(&self, key: &EntryKey) -> bool {
        self.shared.track(key, |tracked| {
            if tracked.running {
                return false;
            }
            tracked.running = true;
            tracked.forgotten = Rc::default();
            true
        })
    }

    fn finished(&self, key: &EntryKey) {
        // The store may hold something else by now: the next turn looks, whatever the version says.
        self.version.set(None);
        let mut tracked = self.shared.tracked.borrow_mut();
        if let Some(known) = tracked.get_mut(key) {
            known.running = false;
            if known.current.is_none() {
                tracked.remove(key);
            }
        }
        drop(tracked);
        self.shared.ended.notify_waiters();
        self.shared.ended.notify_one();
    }

    fn tell_needs(&self, now: Now) {
        let shared = &self.shared;
        let mut news = Vec::new();
        {
            let mut tracked = shared.tracked.borrow_mut();
            let policy = shared.policy.borrow();
            for (key, known) in tracked.iter_mut().filter(|(_, known)| !known.running) {
                let Some(seen) = &known.current else { continue };
                let need =
                    shared.read_record(key, |record| match plan(now, seen, record, &|| None, &policy) {
                        Plan::NeedsPerson(need) => Some(need),
                        _ => None,
                    });
                if need != known.told {
                    known.told.clone_from(&need);
                    news.extend(need.map(|need| (seen.clone(), need)));
                }
            }
        }
        for (seen, need) in news {
            shared.tell(&seen, Event::NeedsPerson { need });
        }
    }

    fn running(&self) -> usize {
        self.shared.tracked.borrow().values().filter(|known| known.running).count()
    }

    fn running_towards(&self, seen: &Seen) -> usize {
        let host = |seen: &Seen| {
            let url = seen.entry.server_url.as_deref()?;
            Some(url::Url::parse(url).ok()?.host_str()?.to_owned())
        };
        let wanted = host(seen);
        let tracked = self.shared.tracked.borrow();
        let running = tracked.values().filter(|known| known.running);
        running.filter_map(|known| known.current.as_ref()).filter(|running| host(running) == wanted).count()
    }

    fn find(&self, names: &[String]) -> Vec<Seen> {
        let tracked = self.shared.tracked.borrow();
        let named = |seen: &&Seen| {
            names.is_empty()
                || names.iter().any(|name| *name == seen.entry.server_name || name == seen.entry.key.as_str())
        };
        tracked.values().filter_map(|known| known.current.as_ref()).filter(named).cloned().collect()
    }

    fn report(&self) -> StoreReport {
        let shared = &self.shared;
        let now = shared.now();
        let tracked = shared.tracked.borrow();
        let policy = shared.policy.borrow();
        let activity = shared.activity();
        let entries = tracked.iter().filter_map(|(key, known)| {
            let circumstances = Circumstances {
                now,
                policy: &policy,
                activity: &activity,
                running: known.running,
                unsaved: known.unsaved.clone(),
            };
            let seen = known.current.as_ref()?;
            Some(shared.read_record(key, |record| report_entry(seen, record, &circumstances)))
        });
        StoreReport {
            location: shared.location().to_owned(),
            unreadable: self.unreadable.borrow().as_ref().map(|unreadable| unreadable.why.clone()),
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

async fn sleep<C: Clock>(clock: &C, wake: Option<Now>) {
    match wake {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
