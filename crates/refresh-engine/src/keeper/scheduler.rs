//! What each turn of the loop starts: due and requested refreshes, and healing.

use super::state::{KeeperState, Mode};
use crate::decide::memory::Heal;
use crate::decide::need::Need;
use crate::decide::plan::plan;
use crate::decide::planned::{Ignored, Plan, Until};
use crate::store_access::entry_state::EntryState;
use crate::store_access::shared::Shared;
use crate::transaction::heal;
use crate::transaction::presented::Presented;
use crate::transaction::{Demand, refresh};
use crate::{Now, ObservedEntry, Partners};
use claude_store::{EntryKey, Store};
use compact::Arrange as _;
use compact::Map;
use jiff::Timestamp;
use std::rc::Rc;
use std::time::Duration;

/// At most this many transactions at a time: each has a socket, and launchd allows a process 256 open files.
const RUNNING_AT_MOST: usize = 100;
/// At most this many to one server: servers take more for an attack.
const RUNNING_PER_SERVER: usize = 10;

/// An entry that others broke, and how it is healed.
struct Healing {
    seen: Rc<ObservedEntry>,
    remembered: Rc<ObservedEntry>,
    heal: Heal,
}

impl<P: Partners> KeeperState<P> {
    fn start_revival(self: &Rc<Self>, seen: Rc<ObservedEntry>) {
        if self.shared.begin(&seen.entry.key).is_none() {
            return;
        }
        let inner = Rc::clone(self);
        compact::spawn_local(async move {
            heal::revive_superseded(&inner.shared, &seen).await;
            inner.finished(&seen.entry.key);
        });
    }

    fn start_heal(self: &Rc<Self>, healing: Healing) {
        let Healing { seen, remembered, heal } = healing;
        let Some(run) = self.shared.begin(&seen.entry.key) else { return };
        let inner = Rc::clone(self);
        compact::spawn_local(async move {
            match heal {
                Heal::PutBack => heal::put_back(&inner.shared, &seen, &remembered).await,
                Heal::TryRemembered => {
                    if let Some(remembered) = Presented::of(remembered) {
                        refresh(&inner.shared, run, &seen, Demand::Heal(Box::new(remembered))).await;
                    }
                }
                Heal::AwaitLogin(_) | Heal::Nothing => {}
            }
            inner.finished(&seen.entry.key);
        });
    }

    /// Plans every entry, starts what is due, and returns the latest time to plan again.
    pub(super) fn plan_all(self: &Rc<Self>) -> Option<Now> {
        let shared = &self.shared;
        let now = shared.now();
        let mut due: Vec<Due> = Vec::new();
        let mut broken: Vec<Healing> = Vec::new();
        let mut bereft: Vec<Rc<ObservedEntry>> = Vec::new();
        let mut turned: Vec<(Rc<ObservedEntry>, bool)> = Vec::new();
        let mut wait: Option<Duration> = None;
        {
            let entries = shared.entries.borrow();
            let policy = shared.policy.borrow();
            let activity = shared.activity();
            for (key, known) in entries.iter().filter(|(_, known)| !known.is_running()) {
                let Some(seen) = &known.current else { continue };
                let (heal, revives, planned, pause) = shared.read_record(key, |record| {
                    let heal = known.heal(seen, shared.stub_for(known, now), record);
                    let revives = heal::can_revive(shared, seen, record);
                    let pause = record.retry.map_or(Duration::ZERO, |retry| retry.left(now));
                    (heal, revives, plan(now, seen, record, &activity, &policy), pause)
                });
                let rests = matches!(planned, Plan::Sleep { until: Until::Use, .. });
                if rests != known.rests {
                    turned.push((seen.clone(), rests));
                }
                let awaits_login = match heal {
                    Heal::AwaitLogin(wait) => wait,
                    _ => Duration::ZERO,
                };
                let pause = pause.max(awaits_login);
                let next = match planned {
                    Plan::Ignore(Ignored::Configured) => None,
                    _ if (revives || heal != Heal::Nothing) && !pause.is_zero() => Some(pause),
                    _ if revives => {
                        bereft.push(seen.clone());
                        None
                    }
                    _ if heal != Heal::Nothing => {
                        let remembered = known.last_live.clone();
                        broken.extend(remembered.map(|remembered| Healing {
                            seen: seen.clone(),
                            remembered,
                            heal,
                        }));
                        None
                    }
                    // Another entry of the same grant is about to bring the pair, or has failed to.
                    Plan::Refresh(_) if is_anothers(shared, seen) => {
                        Some(pause).filter(|pause| !pause.is_zero())
                    }
                    Plan::Refresh(_) => {
                        due.push(Due::of(key, seen));
                        None
                    }
                    Plan::NeedsPerson(Need::Spent) if pause.is_zero() && !is_anothers(shared, seen) => {
                        let successor = shared.grants.successor(shared, seen).map(Rc::new);
                        broken.extend(successor.map(|remembered| Healing {
                            seen: seen.clone(),
                            remembered,
                            heal: Heal::PutBack,
                        }));
                        None
                    }
                    Plan::Sleep { wait, .. } => Some(wait),
                    Plan::NeedsPerson(_) | Plan::Ignore(_) => Some(pause).filter(|pause| !pause.is_zero()),
                };
                wait = [wait, next].into_iter().flatten().min();
            }
        }
        self.tell_rests(turned);
        self.tell_needs(now);
        // Without a readable store there is nowhere to save a new pair.
        if self.mode == Mode::Watch && !self.shared.stopping.get() && self.unreadable.borrow().is_none() {
            bereft.into_iter().for_each(|seen| self.start_revival(seen));
            broken.into_iter().for_each(|healing| self.start_heal(healing));
            self.start_due(due);
        }
        shared.vanished.borrow_mut().retain(|_, vanished| !vanished.kept_for(now).is_zero());
        let forgotten_in = shared.vanished.borrow().values().map(|vanished| vanished.kept_for(now)).min();
        wait = [wait, forgotten_in].into_iter().flatten().min();
        if self.unreadable.borrow().as_ref().is_some_and(|unreadable| !unreadable.is_absent()) {
            wait = Some(wait.map_or(self.reread.get(), |wait| wait.min(self.reread.get())));
        }
        // Without change notification, only a scan finds changes.
        let look_again = shared.store.look_again_in().filter(|_| self.mode == Mode::Watch);
        wait = [wait, look_again].into_iter().flatten().min();
        wait.map(|wait| now.after(wait))
    }

    /// During a burst: starts refreshes that were due at the last scan but had to wait for their turn. Starts nothing twice before the next
    /// scan, and heals nothing.
    pub(super) fn start_waiting(self: &Rc<Self>) {
        if self.mode != Mode::Watch || self.shared.stopping.get() || self.unreadable.borrow().is_some() {
            return;
        }
        let shared = &self.shared;
        let now = shared.now();
        let due = {
            let entries = shared.entries.borrow();
            let policy = shared.policy.borrow();
            let activity = shared.activity();
            let waits = |key: &EntryKey, known: &EntryState, seen: &ObservedEntry| {
                !known.is_running()
                    && !known.begun_since_scan
                    && shared.read_record(key, |record| {
                        known.heal(seen, shared.stub_for(known, now), record) == Heal::Nothing
                            && matches!(plan(now, seen, record, &activity, &policy), Plan::Refresh(_))
                    })
                    && !is_anothers(shared, seen)
            };
            let known = entries.iter().filter_map(|(key, known)| Some((key, known, known.current.as_ref()?)));
            known
                .filter(|(key, known, seen)| waits(key, known, seen))
                .map(|(key, _, seen)| Due::of(key, seen))
                .collect()
        };
        self.start_due(due);
    }

    /// Starts what is due, within the limits: the entry that expired last, and so was used last, comes first. The rest is
    /// started as others end.
    fn start_due(self: &Rc<Self>, mut due: Vec<Due>) {
        if due.is_empty() {
            return;
        }
        due.arrange_by_key(|due| std::cmp::Reverse(due.expired));
        let mut towards = self.running_by_server();
        let mut running: usize = towards.values().sum();
        for Due { key, server, .. } in due {
            if running >= RUNNING_AT_MOST {
                break;
            }
            let here = towards.entry(server).or_default();
            if *here < RUNNING_PER_SERVER {
                *here += 1;
                running += 1;
                let seen = self.shared.state(&key, |known| known.current.clone());
                seen.into_iter().for_each(|seen| self.start(seen));
            }
        }
    }

    fn start(self: &Rc<Self>, seen: Rc<ObservedEntry>) {
        let Some(run) = self.shared.begin(&seen.entry.key) else { return };
        let inner = Rc::clone(self);
        // I6: its own task; nothing that happens to the keeper's loop interrupts it.
        compact::spawn_local(async move {
            refresh(&inner.shared, run, &seen, Demand::Planned).await;
            inner.finished(&seen.entry.key);
        });
    }

    fn running_by_server(&self) -> Map<Option<String>, usize> {
        let entries = self.shared.entries.borrow();
        let mut counts = Map::new();
        for known in entries.values().filter(|known| known.is_running()) {
            *counts.entry(known.current.as_deref().and_then(server)).or_default() += 1;
        }
        counts
    }
}

/// Whether to wait for another entry that holds the same refresh token.
fn is_anothers<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) -> bool {
    seen.refresh.is_some_and(|refresh| shared.grants.is_anothers(shared, &seen.entry.key, refresh))
}

/// An entry to refresh now.
struct Due {
    key: EntryKey,
    server: Option<String>,
    expired: Option<Timestamp>,
}

impl Due {
    fn of(key: &EntryKey, seen: &ObservedEntry) -> Self {
        Self { key: key.clone(), server: server(seen), expired: seen.expiry.moment() }
    }
}

/// The server of an entry: scheme, host and port, as its URL writes them.
fn server(seen: &ObservedEntry) -> Option<String> {
    let url = seen.entry.server_url.as_deref()?;
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}").to_ascii_lowercase())
}
