//! Decides when to refresh an entry, and refreshes it without losing the grant.
//!
//! # How it works
//! A [`Keeper`] watches one store and keeps its tokens fresh. For every entry it asks [`plan`], a pure function, what to do now. For an entry that is due it
//! starts a transaction, which takes the client's own locks, presents the refresh token once, puts the raw answer into the
//! [`Journal`] before parsing it, and writes the new pair together with others that are ready. What it remembers of each
//! entry is a [`Record`]: digests and verdicts, never a token.
//!
//! # What never happens
//! - **I1** A refresh token is presented again only after an answer that proves it was not consumed, or after an ambiguous outcome.
//! - **I2** The raw answer is in the journal before it is interpreted, and durable before the store changes.
//! - **I3** The storage lock is never held during network traffic or an fsync.
//! - **I4** Nothing but the entry's own token members changes.
//! - **I5** A removed entry stays removed.
//! - **I6** Once the request is on the wire the transaction runs to its end.
//!
//! # What it depends on
//! Clocks, disk, endpoints and the client are passed in as [`Partners`], so that the whole engine runs in virtual time against
//! scripted ones. Everything is a task of one thread.

mod coalesced;
mod decide;
mod journal;
mod keeper;
mod observed;
mod partners;
mod records;
mod store_access;
mod transaction;

pub use decide::apply_answer::passes_by_itself;
pub use decide::backoff::{Failure, back_off};
pub use decide::compare::{Expected, Obtained, WriteDecision, decide_write};
pub use decide::memory::{
    Disappearance, DocumentChange, Heal, LOGIN_PATIENCE, VANISHED_KEPT, decide_heal, disappearance,
};
pub use decide::need::Need;
pub use decide::plan::{plan, plan_forced};
pub use decide::planned::{Ignored, Plan, Reason, Until};
pub use decide::policy::{
    CLIENT_WINDOW, Freshness, MARGIN_CEILING, MARGIN_FLOOR, MarginRule, Policy, SHORT_LIFE, ServerPolicy,
};
pub use journal::{HealMembers, Intent, Journal, JournalError, OtherLock, TransactionId, Unfinished};
pub use keeper::hold::Hold;
pub use keeper::report::{EntryReport, State, StoreReport, inspect};
pub use keeper::{AccessGrant, Keeper, Mode, Refreshed, RefreshedHow, Setup, Wanted};
pub use observed::activity::Activity;
pub use observed::clock::{Clock, Now, later};
pub use observed::entry::{Expiry, ObservedEntry};
pub use partners::event::{Event, Observer, Subject};
pub use partners::{Client, Endpoint, Partners};
pub use records::narrowing::Narrowing;
pub use records::obstacle::{Hindrance, Obstacle};
pub use records::outcome::{LastRefresh, Outcome, Unsavable};
pub use records::record::{CachedMetadata, Pin, Record, Retry};
pub use records::verdict::Verdict;
pub use records::{Records, RecordsError};
pub use store_access::shared::Grants;
pub use transaction::grants::Held;
