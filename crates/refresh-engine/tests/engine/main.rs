//! The whole engine in virtual time: real plan, transaction, journal, locks and store code, on a disk in memory, against a scripted
//! authorization server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

/// Where the document is; `on_keychain.rs` runs the same scenarios on the other kind of store.
pub(crate) const IN_KEYCHAIN: bool = false;

mod account;
mod answers;
mod copies;
mod crash;
mod failures;
mod faults;
mod file;
mod healing;
mod invariants;
mod logins;
mod planning;
mod records;
mod refusals;
mod scopes;
mod storm;
mod swap;
mod vault;
mod world;
