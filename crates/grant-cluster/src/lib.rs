//! Grants that many machines share in etcd, and who of them may present a refresh token.
//!
//! # How it works
//! Each grant is one key in etcd: an entry as in Claude Code's document, sealed with a key that etcd never sees ([`ClusterKey`]), together with
//! what is known about its refresh token ([`Phase`]). A [`Member`] follows all of them by watch. Before it presents a refresh token it
//! writes an intent, after it the answer and the new pair, each by one transaction that compares the revision; the intent also compares
//! the member's lease. What may be done is decided by pure functions ([`may_present`], [`settle`]).
//!
//! # What never happens
//! - Only the refresh token that etcd holds is presented, and only with an intent that this member wrote for it while it held its lease.
//! - An intent without an answer is presented by another member only when the single machine would present it after a lost answer:
//!   shortly before the access token ends ([`may_present`]).
//! - An answer is on the member's disk before it is sent to etcd, and stays there until etcd has it.

mod clock;
mod cluster_key;
mod decide;
mod etcd;
mod key_values;
mod lease;
mod member;
mod owed;
mod record;
mod view;

pub use clock::Clock;
pub use cluster_key::{ClusterKey, KeyError};
pub use decide::{Lateness, Permission, Refusal, may_present, settle};
pub use etcd::{Etcd, EtcdOptions, EtcdWatch};
pub use key_values::{Compare, Event, KeyValue, KeyValues, KvError, LeaseId, Put, Snapshot, Txn, Written};
pub use member::{Health, Member, MemberOptions, PutError};
pub use owed::{Owed, OwedAnswers, OwedError};
pub use record::{GrantRecord, Intent, Phase, Refreshed, Sealed};
pub use view::{Claim, Seen};
