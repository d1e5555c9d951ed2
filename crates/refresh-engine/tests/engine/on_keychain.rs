//! The scenarios of the whole engine, unchanged, with the document in a Keychain; and what only a Keychain does.
#![cfg(unix)] // A Keychain is on macOS only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

/// Where the document is; `main.rs` runs the same scenarios on the other kind of store.
pub(crate) const IN_KEYCHAIN: bool = true;

mod account;
mod answers;
mod crash;
mod failures;
mod healing;
mod invariants;
mod item;
mod logins;
mod overflow;
mod planning;
mod refusals;
mod storm;
mod world;
