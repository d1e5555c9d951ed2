//! Looks, writes and news of several members that cross.

use super::*;
use crate::{Claim, Compare, Event, KeyValue, LeaseId, Phase, Snapshot, Txn, Written};
use jiff::Timestamp;
use oauth_secret::RefreshToken;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{SendError, UnsentKind};

const NAME: &str = "lab|00";

/// Keys in memory. After this many looks another member writes something.
#[derive(Clone, Default)]
struct Keys {
    all: Rc<RefCell<BTreeMap<String, (String, i64)>>>,
    looks: Rc<Cell<u32>>,
    meanwhile: Rc<RefCell<Option<(u32, String)>>>,
    /// The next transaction is done only at this look, and nobody is told that it was.
    late_at: Rc<Cell<Option<u32>>>,
    late: Rc<RefCell<Option<Txn>>>,
    /// Who watches.
    watcher: Rc<RefCell<Option<Member<Keys, Standing>>>>,
}

impl Keys {
    fn write(&self, key: &str, value: String) -> i64 {
        let mut all = self.all.borrow_mut();
        let revision = all.values().map(|(_, revision)| *revision).max().unwrap_or(0) + 1;
        all.insert(key.to_owned(), (value, revision));
        revision
    }

    fn act(&self, txn: &Txn) -> Written {
        let as_seen = |one: &Compare| self.all.borrow().get(&one.key).map_or(0, |key| key.1) == one.revision;
        if !txn.compare.iter().all(as_seen) {
            return Written { succeeded: false, revision: 1 };
        }
        for key in &txn.delete {
            self.all.borrow_mut().remove(key);
        }
        let mut last = 1;
        for put in &txn.put {
            last = self.write(&put.key, put.value.clone());
            if let Some(watcher) = &*self.watcher.borrow() {
                let (key, value) = (put.key.clone(), put.value.clone());
                watcher.take(Event::Put(KeyValue { key, value, revision: last }));
            }
        }
        Written { succeeded: true, revision: last }
    }

    fn grant(&self) -> Option<GrantRecord> {
        let all = self.all.borrow();
        let (value, _) = all.get("/grants/lab|00")?;
        Some(GrantRecord::open(&cluster_key(), NAME, value).unwrap())
    }
}

impl KeyValues for Keys {
    type Watch = ();

    async fn range(&self, prefix: &str) -> Result<Snapshot, KvError> {
        let found = self
            .all
            .borrow()
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, (value, revision))| KeyValue {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            })
            .collect();
        self.looks.set(self.looks.get() + 1);
        let now = self.meanwhile.borrow().as_ref().is_some_and(|(looks, _)| *looks == self.looks.get());
        if let Some((_, value)) = self.meanwhile.borrow_mut().take_if(|_| now) {
            self.write("/grants/lab|00", value);
        }
        let now = self.late_at.get() == Some(self.looks.get());
        if let Some(txn) = self.late.borrow_mut().take_if(|_| now) {
            let _ = self.act(&txn);
            self.late_at.take();
        }
        Ok(Snapshot { keys: found, revision: 1 })
    }

    async fn txn(&self, txn: &Txn) -> Result<Written, KvError> {
        if self.late_at.get().is_some() && self.late.borrow().is_none() {
            self.late.replace(Some(txn.clone()));
            return Err(KvError::Unknown { why: "no answer".into() });
        }
        Ok(self.act(txn))
    }

    async fn grant_lease(&self, _: Duration) -> Result<LeaseId, KvError> {
        Ok(1)
    }

    async fn keep_alive(&self, _: LeaseId) -> Result<bool, KvError> {
        Ok(true)
    }

    async fn revoke(&self, _: LeaseId) -> Result<(), KvError> {
        Ok(())
    }

    async fn watch(&self, _: &str, _: i64) -> Result<(), KvError> {
        Ok(())
    }

    async fn next((): &mut ()) -> Result<Vec<Event>, KvError> {
        Ok(Vec::new())
    }
}

struct Standing;

impl Clock for Standing {
    fn wall(&self) -> Timestamp {
        "2026-11-29T12:00:00Z".parse().unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn cluster_key() -> ClusterKey {
    ClusterKey::new(&[7; 32]).unwrap()
}

fn entry(token: &str) -> RawEntry {
    RawEntry::new(format!(
        r#"{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"at_{token}","refreshToken":"rt_{token}","expiresAt":1}}"#
    ))
}

fn sealed(token: &str, phase: Phase) -> String {
    GrantRecord::new(1, &entry(token), phase).seal(&cluster_key(), NAME).unwrap()
}

fn member(keys: &Keys) -> Member<Keys, Standing> {
    let options = MemberOptions { name: "host1".into(), prefix: "/".into(), lease: Duration::from_secs(5) };
    let answers = OwedAnswers::in_folder(Path::new("/nowhere"));
    Member::new(keys.clone(), Standing, cluster_key(), options, answers).0
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

#[test]
fn a_pair_that_another_member_writes_while_a_grant_is_frozen_is_not_lost() {
    let key = EntryKey::new(NAME);
    let mut frozen = 0;
    for looks in 1..=4 {
        let keys = Keys::default();
        keys.write("/grants/lab|00", sealed("first", Phase::Good));
        keys.meanwhile.replace(Some((looks, sealed("second", Phase::Good))));
        let freezing = now(member(&keys).freeze(&key));
        let came_first = keys.meanwhile.borrow().is_some();
        let newest = entry(if came_first { "first" } else { "second" });
        let there = keys.grant().unwrap();
        assert_eq!(there.entry.as_str(), newest.expose(), "after {looks} looks: {there:?}");
        if let Ok(taken) = freezing {
            assert_eq!(taken.expose(), newest.expose(), "after {looks} looks");
            frozen += 1;
        }
    }
    assert!(frozen > 0);
}

/// Found with three members of etcd under faults: the others waited for this one as long as it lived.
#[test]
fn an_intent_that_arrives_while_it_is_looked_for_holds_nobody_up() {
    let key = EntryKey::new(NAME);
    // At the look at the grant, and at its claim.
    for looks in 1..=2 {
        let keys = Keys::default();
        let member = member(&keys);
        let lease = keys.write("/members/host1", String::new());
        let good_until = Duration::from_secs(5);
        member.inner.lease.replace(Some(Lease {
            id: 1,
            key: "/members/host1".into(),
            revision: lease,
            good_until,
        }));
        let revision = keys.write("/grants/lab|00", sealed("first", Phase::Good));
        member.learn(&key, GrantRecord::new(1, &entry("first"), Phase::Good), revision);
        keys.watcher.replace(Some(member.clone()));
        keys.late_at.set(Some(looks));
        let token = RefreshToken::new("rt_first".to_owned());
        let sent = Cell::new(false);
        now(async {
            let send = async || {
                sent.set(true);
                Err(SendError::Unsent { why: "the test's".into(), kind: UnsentKind::Other })
            };
            let answer = member.present(&token, send).await;
            assert!(matches!(answer, Err(SendError::Unsent { .. })), "{looks} looks");
            while member.owed() > 0 {
                tokio::task::yield_now().await;
            }
        });
        assert!(!sent.get() && keys.late_at.get().is_none(), "{looks} looks");
        let there = keys.grant().unwrap();
        assert_eq!(there.phase, Phase::Good, "after {looks} looks");
        assert!(!keys.all.borrow().contains_key("/claims/lab|00"), "after {looks} looks");
        keys.watcher.take();
    }
}

#[test]
fn only_what_this_member_has_on_its_way_is_thawed_or_removed() {
    let key = EntryKey::new(NAME);
    let ours = || Phase::Moving { by: "host1".into() };
    for phase in [Phase::Good, Phase::Moving { by: "host2".into() }] {
        let keys = Keys::default();
        keys.write("/grants/lab|00", sealed("first", phase.clone()));
        assert_eq!(now(member(&keys).thaw(&key)), Ok(false));
        assert_eq!(now(member(&keys).remove(&key)), Ok(false));
        assert_eq!(keys.grant().unwrap().phase, phase);
    }
    let keys = Keys::default();
    keys.write("/grants/lab|00", sealed("first", ours()));
    assert_eq!(now(member(&keys).thaw(&key)), Ok(true));
    assert_eq!(keys.grant().unwrap().phase, Phase::Good);
    keys.write("/grants/lab|00", sealed("first", ours()));
    assert_eq!(now(member(&keys).remove(&key)), Ok(true));
    assert!(keys.grant().is_none());
}

#[test]
fn what_was_read_before_a_deletion_and_arrives_after_it_brings_nothing_back() {
    let key = EntryKey::new(NAME);
    let member = member(&Keys::default());
    let record = || GrantRecord::new(1, &entry("first"), Phase::Good);
    let claim = |revision| Some(Claim { member: "host2".into(), lease: 1, revision });
    let deleted = |kind: &str, revision| Event::Deleted { key: format!("/{kind}/{NAME}"), revision };
    let claimed = || member.seen(&key).is_some_and(|seen| seen.claim.is_some());

    member.learn(&key, record(), 5);
    member.inner.claimed(&key, claim(5), 5);
    assert!(claimed());
    member.take(deleted("claims", 6));
    member.inner.claimed(&key, claim(5), 5);
    assert!(!claimed());
    member.inner.claimed(&key, claim(7), 7);
    assert!(claimed());

    member.take(deleted("grants", 8));
    member.learn(&key, record(), 5);
    assert!(member.seen(&key).is_none());
    member.learn(&key, record(), 9);
    assert!(member.seen(&key).is_some());
}
