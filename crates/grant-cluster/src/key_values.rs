//! etcd, as far as it is used: a trait, so that every interleaving can be tried without one.

use std::future::Future;
use std::time::Duration;

/// A lease's number.
pub type LeaseId = i64;

/// A store of keys with revisions, transactions, leases and watches.
pub trait KeyValues: 'static {
    /// A watch that has begun. Dropping it ends it.
    type Watch: 'static;

    /// All keys with this prefix, as of one revision. Linearizable.
    fn range(&self, prefix: &str) -> impl Future<Output = Result<Snapshot, KvError>>;

    /// All of it, or nothing.
    fn txn(&self, txn: &Txn) -> impl Future<Output = Result<Written, KvError>>;

    /// A new lease.
    fn grant_lease(&self, ttl: Duration) -> impl Future<Output = Result<LeaseId, KvError>>;

    /// Renews a lease; false if it has ended.
    fn keep_alive(&self, lease: LeaseId) -> impl Future<Output = Result<bool, KvError>>;

    /// Ends a lease, and with it its keys.
    fn revoke(&self, lease: LeaseId) -> impl Future<Output = Result<(), KvError>>;

    /// Watches the keys with this prefix from this revision on.
    fn watch(&self, prefix: &str, from: i64) -> impl Future<Output = Result<Self::Watch, KvError>>;

    /// The next changes. May be dropped while it waits.
    fn next(watch: &mut Self::Watch) -> impl Future<Output = Result<Vec<Event>, KvError>>;
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The revision that wrote it last.
    pub revision: i64,
}

/// Keys as of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The keys.
    pub keys: Vec<KeyValue>,
    /// The revision.
    pub revision: i64,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was written.
    Put(KeyValue),
    /// It was deleted, or its lease has ended.
    Deleted {
        /// Its name.
        key: String,
        /// The revision.
        revision: i64,
    },
}

/// A condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// The revision that wrote it last; 0 if it must not exist.
    pub revision: i64,
}

/// A key to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// It ends with this lease.
    pub lease: Option<LeaseId>,
}

/// A transaction: if all comparisons hold, everything is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// The conditions.
    pub compare: Vec<Compare>,
    /// Keys to write.
    pub put: Vec<Put>,
    /// Keys to delete.
    pub delete: Vec<String>,
}

/// What a transaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transaction whose comparison failed has written nothing"]
pub struct Written {
    /// Whether all comparisons held.
    pub succeeded: bool,
    /// The revision after it.
    pub revision: i64,
}

/// etcd did not do it, or nobody knows whether it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// No answer: what was asked may still happen.
    #[error("{why}")]
    Unknown {
        /// What happened, where, and what to do.
        why: String,
    },
    /// It was refused: nothing happened.
    #[error("{why}")]
    Refused {
        /// What etcd said.
        why: String,
    },
    /// The watch asked for a revision that etcd has forgotten: read everything again.
    #[error("etcd has compacted the revisions since the last look")]
    Compacted,
}
