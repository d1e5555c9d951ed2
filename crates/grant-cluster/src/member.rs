//! A member: follows the grants, and presents refresh tokens by the rules.

mod following;
mod leasing;
mod owing;
mod presenting;
mod putting;

#[cfg(test)]
mod tests;

pub use putting::PutError;

use crate::lease::Lease;
use crate::{Clock, ClusterKey, GrantRecord, KeyValues, KvError, Owed, OwedAnswers, Seen};
use claude_store::{EntryKey, RawEntry};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// Who this member is, and where the grants are.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// Its name, for messages: the machine's.
    pub name: String,
    /// What every key in etcd begins with; ends with a slash.
    pub prefix: String,
    /// How long others wait for a member that is silent.
    pub lease: Duration,
}

/// Whether etcd can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has not answered yet.
    Unknown,
    /// Its last answer was good.
    Reachable,
    /// It did not answer, or refused.
    Unreachable {
        /// Why.
        why: String,
    },
}

/// A member of the cluster. Clones are handles to the same one.
pub struct Member<K: KeyValues, C: Clock> {
    inner: Rc<Inner<K, C>>,
}

impl<K: KeyValues, C: Clock> Clone for Member<K, C> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

struct Inner<K: KeyValues, C: Clock> {
    kv: K,
    clock: C,
    cluster_key: ClusterKey,
    options: MemberOptions,
    answers: OwedAnswers,
    lease: RefCell<Option<Lease>>,
    grants: RefCell<BTreeMap<EntryKey, Seen>>,
    /// Grants that cannot be opened, and why.
    unreadable: RefCell<BTreeMap<EntryKey, String>>,
    /// The revisions that deleted keys of etcd last: what was read before one may arrive after it.
    gone: RefCell<BTreeMap<String, i64>>,
    /// The highest serial of each grant ever seen.
    highest: RefCell<BTreeMap<EntryKey, u64>>,
    /// Intents that a task of this process is responsible for.
    active: RefCell<BTreeSet<u64>>,
    /// Answers that etcd lacks.
    owed: RefCell<BTreeMap<u64, Owed>>,
    health: RefCell<Health>,
    /// Everything was read once.
    followed: Cell<bool>,
    /// A request failed: the watch may hang on a connection that is dead.
    disturbed: Notify,
    /// Counts changes of anything above.
    changed: watch::Sender<u64>,
    news: mpsc::UnboundedSender<EntryKey>,
}

impl<K: KeyValues, C: Clock> Member<K, C> {
    /// A member. It does nothing before [`run`](Self::run). Also returns the keys of grants that change, from now on.
    #[must_use]
    pub fn new(
        kv: K,
        clock: C,
        cluster_key: ClusterKey,
        options: MemberOptions,
        answers: OwedAnswers,
    ) -> (Self, mpsc::UnboundedReceiver<EntryKey>) {
        let (news, heard) = mpsc::unbounded_channel();
        let inner = Inner {
            kv,
            clock,
            cluster_key,
            options,
            answers,
            lease: RefCell::default(),
            grants: RefCell::default(),
            unreadable: RefCell::default(),
            gone: RefCell::default(),
            highest: RefCell::default(),
            active: RefCell::default(),
            owed: RefCell::default(),
            health: RefCell::new(Health::Unknown),
            followed: Cell::new(false),
            disturbed: Notify::new(),
            changed: watch::Sender::new(0),
            news,
        };
        (Self { inner: Rc::new(inner) }, heard)
    }

    /// Follows the cluster, forever. Must be called inside a [`LocalSet`](tokio::task::LocalSet).
    pub async fn run(&self) {
        self.take_up_left_over();
        tokio::join!(self.keep_lease(), self.follow());
    }

    /// Ends the lease, so that nobody waits for this member. Call it when nothing runs any more.
    pub async fn leave(&self) {
        let lease = self.inner.lease.borrow_mut().take();
        if let Some(lease) = lease {
            // It ends by itself otherwise.
            let _ = self.inner.kv.revoke(lease.id).await;
        }
    }

    /// Returns once everything was read.
    pub async fn followed(&self) {
        let mut changed = self.inner.changed.subscribe();
        while !self.inner.followed.get() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether everything was read since the start.
    #[must_use]
    pub fn has_followed(&self) -> bool {
        self.inner.followed.get()
    }

    /// The grants as last seen.
    #[must_use]
    pub fn grants(&self) -> Vec<(EntryKey, RawEntry)> {
        let grants = self.inner.grants.borrow();
        grants.iter().map(|(key, seen)| (key.clone(), RawEntry::new(seen.record.entry.as_str()))).collect()
    }

    /// One grant as last seen.
    #[must_use]
    pub fn seen(&self, key: &EntryKey) -> Option<Seen> {
        self.inner.grants.borrow().get(key).cloned()
    }

    /// Grants that cannot be opened, and why.
    #[must_use]
    pub fn unreadable(&self) -> Vec<(EntryKey, String)> {
        self.inner.unreadable.borrow().iter().map(|(key, why)| (key.clone(), why.clone())).collect()
    }

    /// Whether this member has an answer for the grant that etcd lacks.
    #[must_use]
    pub fn owes(&self, key: &EntryKey) -> bool {
        self.inner.owed.borrow().values().any(|owed| owed.key == key.as_str())
    }

    /// How many answers etcd lacks.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.inner.owed.borrow().len()
    }

    /// Whether etcd can be reached.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.health.borrow().clone()
    }

    /// This member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.options.name
    }
}

impl<K: KeyValues, C: Clock> Inner<K, C> {
    fn grant_key(&self, key: &EntryKey) -> String {
        format!("{}grants/{}", self.options.prefix, key.as_str())
    }

    fn claim_key(&self, key: &EntryKey) -> String {
        format!("{}claims/{}", self.options.prefix, key.as_str())
    }

    /// Notes whether etcd answered.
    fn noted<T>(&self, result: Result<T, KvError>) -> Result<T, KvError> {
        let health = match &result {
            Ok(_) => Health::Reachable,
            Err(error) => Health::Unreachable { why: error.to_string() },
        };
        if matches!(result, Err(KvError::Unknown { .. })) {
            self.disturbed.notify_waiters();
        }
        if *self.health.borrow() != health {
            self.health.replace(health);
            self.ring();
        }
        result
    }

    fn ring(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn tell(&self, key: &EntryKey) {
        // Nobody may be listening.
        let _ = self.news.send(key.clone());
        self.ring();
    }

    /// Seals a record for its key.
    fn sealed(&self, key: &EntryKey, record: &GrantRecord) -> Result<String, KvError> {
        record
            .seal(&self.cluster_key, key.as_str())
            .map_err(|error| KvError::Refused { why: error.to_string() })
    }
}

impl<K: KeyValues, C: Clock> std::fmt::Debug for Member<K, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("options", &self.inner.options).finish_non_exhaustive()
    }
}
