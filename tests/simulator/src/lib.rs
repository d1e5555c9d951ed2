//! Simulates whole lives of machines, users and authorization servers in virtual time: the same life with and without the daemon.
//!
//! A life follows from one seed. Its events are drawn before anything runs: when the machine is awake, when a session
//! starts and is killed, when a server is down, slow or loses answers, when the power fails. None of it depends on what any program
//! does, so both lives meet the same events. The engine, the store, the locks and the journal are the real ones.
//!
//! [`live`] runs one life and returns its [`Account`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::exit,
    reason = "a test program"
)]

mod client;
mod clock;
mod copies;
mod daemon;
mod entry;
mod fault_schedule;
mod grant;
mod helper;
mod kind;
mod life;
mod log;
mod login;
mod machine;
mod oracle;
mod plan;
mod report;
mod seeded_rng;
mod server;
mod session;
mod tally;
mod transactions;
mod watch;
mod world;

pub use copies::{examine_copies, run_copies};
pub use life::{Life, live};
pub use refresh_engine::Freshness;
pub use report::table;
pub use tally::{Account, Tally};
pub use transactions::{Outcomes, examine, run as run_transactions};
