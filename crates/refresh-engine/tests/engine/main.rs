//! The whole engine in virtual time: real plan, transaction, journal, locks and store code, on a disk in memory, against a scripted
//! authorization server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod crash;
mod failures;
mod healing;
mod invariants;
mod planning;
mod storm;
mod world;
