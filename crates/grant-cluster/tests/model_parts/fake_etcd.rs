use super::Faults;
use grant_cluster::{Event, KeyValue, KeyValues, KvError, LeaseId, Snapshot, Txn, Written};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_secs(4);

/// An etcd in memory: revisions, transactions, leases, watches.
pub(crate) struct World {
    state: RefCell<State>,
    written: Notify,
}

#[derive(Default)]
struct State {
    revision: i64,
    keys: BTreeMap<String, (String, i64, Option<LeaseId>)>,
    leases: BTreeMap<LeaseId, (Instant, Duration)>,
    next_lease: LeaseId,
    log: Vec<Event>,
}

impl World {
    pub(crate) fn new() -> Rc<Self> {
        let world = Rc::new(Self { state: RefCell::default(), written: Notify::new() });
        let ends = Rc::clone(&world);
        spawn_local(async move {
            loop {
                sleep(Duration::from_millis(100)).await;
                ends.end_leases(|ends| ends <= Instant::now());
            }
        });
        world
    }

    fn end_leases(&self, ended: impl Fn(Instant) -> bool) {
        let mut state = self.state.borrow_mut();
        let over: Vec<_> =
            state.leases.iter().filter(|(_, (ends, _))| ended(*ends)).map(|(id, _)| *id).collect();
        for id in over {
            state.end_lease(id);
        }
        drop(state);
        self.written.notify_waiters();
    }
}

impl State {
    fn end_lease(&mut self, id: LeaseId) {
        self.leases.remove(&id);
        let keys: Vec<_> = self
            .keys
            .iter()
            .filter(|(_, (_, _, lease))| *lease == Some(id))
            .map(|(key, _)| key.clone())
            .collect();
        if !keys.is_empty() {
            self.revision += 1;
        }
        for key in keys {
            self.keys.remove(&key);
            let revision = self.revision;
            self.log.push(Event::Deleted { key, revision });
        }
    }

    fn txn(&mut self, txn: &Txn) -> Result<Written, KvError> {
        let holds =
            txn.compare.iter().all(|one| self.keys.get(&one.key).map_or(0, |key| key.1) == one.revision);
        if !holds {
            return Ok(Written { succeeded: false, revision: self.revision });
        }
        let lacks = |lease: &LeaseId| !self.leases.contains_key(lease);
        if txn.put.iter().any(|put| put.lease.as_ref().is_some_and(lacks)) {
            return Err(KvError::Refused { why: "requested lease not found".to_owned() });
        }
        self.revision += 1;
        let revision = self.revision;
        for put in &txn.put {
            self.keys.insert(put.key.clone(), (put.value.clone(), revision, put.lease));
            let (key, value) = (put.key.clone(), put.value.clone());
            self.log.push(Event::Put(KeyValue { key, value, revision }));
        }
        for key in &txn.delete {
            if self.keys.remove(key).is_some() {
                self.log.push(Event::Deleted { key: key.clone(), revision });
            }
        }
        Ok(Written { succeeded: true, revision })
    }
}

/// One member's way to it.
pub(crate) struct FakeEtcd {
    pub(crate) world: Rc<World>,
    pub(crate) faults: Rc<Faults>,
}

impl FakeEtcd {
    /// One request: it may get lost before it is done, or its reply after.
    async fn ask<T>(&self, act: impl FnOnce(&mut State) -> Result<T, KvError>) -> Result<T, KvError> {
        let lost = KvError::Unknown { why: "no answer".to_owned() };
        self.faults.unpaused().await;
        sleep(Duration::from_millis(fastrand::u64(1..8))).await;
        if self.faults.is_cut() {
            sleep(TIMEOUT).await;
            return Err(lost);
        }
        let done = act(&mut self.world.state.borrow_mut());
        self.world.written.notify_waiters();
        sleep(Duration::from_millis(fastrand::u64(1..8))).await;
        let deaf = self.faults.is_deaf();
        if deaf {
            sleep(TIMEOUT).await;
        }
        self.faults.unpaused().await;
        if deaf { Err(lost) } else { done }
    }
}

pub(crate) struct FakeWatch {
    world: Rc<World>,
    faults: Rc<Faults>,
    prefix: String,
    from: i64,
}

impl KeyValues for FakeEtcd {
    type Watch = FakeWatch;

    async fn range(&self, prefix: &str) -> Result<Snapshot, KvError> {
        self.ask(|state| {
            let keys = state.keys.iter().filter(|(key, _)| key.starts_with(prefix));
            let keys = keys.map(|(key, (value, revision, _))| KeyValue {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            });
            Ok(Snapshot { keys: keys.collect(), revision: state.revision })
        })
        .await
    }

    async fn txn(&self, txn: &Txn) -> Result<Written, KvError> {
        self.ask(|state| state.txn(txn)).await
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, KvError> {
        self.ask(|state| {
            state.next_lease += 1;
            let id = state.next_lease;
            state.leases.insert(id, (Instant::now() + ttl, ttl));
            Ok(id)
        })
        .await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<bool, KvError> {
        self.ask(|state| {
            Ok(state.leases.get_mut(&lease).map(|(ends, ttl)| *ends = Instant::now() + *ttl).is_some())
        })
        .await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), KvError> {
        self.ask(|state| {
            state.end_lease(lease);
            Ok(())
        })
        .await
    }

    async fn watch(&self, prefix: &str, from: i64) -> Result<FakeWatch, KvError> {
        let (world, faults) = (Rc::clone(&self.world), Rc::clone(&self.faults));
        self.ask(|_| Ok(FakeWatch { world, faults, prefix: prefix.to_owned(), from })).await
    }

    async fn next(watch: &mut FakeWatch) -> Result<Vec<Event>, KvError> {
        loop {
            watch.faults.unpaused().await;
            if watch.faults.is_deaf() {
                // As a connection that is dead without anybody noticing.
                std::future::pending::<()>().await;
            }
            let written = watch.world.written.notified();
            let events: Vec<_> = {
                let state = watch.world.state.borrow();
                let first = state.log.partition_point(|event| revision(event) < watch.from);
                state.log[first..]
                    .iter()
                    .filter(|event| key(event).starts_with(&watch.prefix))
                    .cloned()
                    .collect()
            };
            if !events.is_empty() {
                sleep(Duration::from_millis(fastrand::u64(1..8))).await;
                watch.from = events.last().map_or(watch.from, |event| revision(event) + 1);
                return Ok(events);
            }
            tokio::select! { () = written => {}, () = watch.faults.deafened() => {} }
        }
    }
}

fn revision(event: &Event) -> i64 {
    let (Event::Put(KeyValue { revision, .. }) | Event::Deleted { revision, .. }) = event;
    *revision
}

fn key(event: &Event) -> &str {
    let (Event::Put(KeyValue { key, .. }) | Event::Deleted { key, .. }) = event;
    key
}
