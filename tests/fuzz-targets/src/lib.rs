//! Properties of every parser of untrusted input, as plain functions: each takes any bytes and panics if its promise is broken.
//!
//! `cargo test` runs every [target](TARGETS) over its corpus (`fuzz/corpus`); the crate in `fuzz` hands them to the fuzzer. Each has a
//! file of its own that says what it promises and how its input is laid out: a few lines of text, then the bytes in question, so that
//! an input can be read and written by people. What a target expects is worked out by other means than the code under test uses.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an input that breaks a promise should end the run"
)]

mod configuration;
mod discovery;
mod document;
mod head;
mod journal;
mod jwt_expiry;
mod lock_name;
mod needs_auth;
mod now_or_never;
mod plain;
mod records;
mod retry_after;
mod socket;
mod token_answer;

pub use configuration::configuration;
pub use discovery::discovery;
pub use document::document;
pub use journal::journal;
pub use jwt_expiry::jwt_expiry;
pub use lock_name::lock_name;
pub use needs_auth::needs_auth;
pub use records::records;
pub use retry_after::retry_after;
pub use socket::socket;
pub use token_answer::token_answer;

/// Panics where the input breaks a promise.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("configuration", configuration),
    ("discovery", discovery),
    ("document", document),
    ("journal", journal),
    ("jwt_expiry", jwt_expiry),
    ("lock_name", lock_name),
    ("needs_auth", needs_auth),
    ("records", records),
    ("retry_after", retry_after),
    ("socket", socket),
    ("token_answer", token_answer),
];
