use crate::LeaseId;
use std::time::Duration;

/// A member's lease. Its key in etcd ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    /// The member's key, and the revision that wrote it: as long as it is unchanged the lease stands.
    pub(crate) key: String,
    pub(crate) revision: i64,
    /// Until when it is certainly good, by this machine's boot-time clock: counted from before etcd was asked.
    pub(crate) good_until: Duration,
}
