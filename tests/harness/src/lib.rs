//! The harness for tests of the real program: a temporary home folder, the agent in it, and a parser for strace.
//!
//! Measurements and crash tests use it directly; the tests of `mcp-refreshd` use it through `support`, which panics instead of returning errors.

mod daemon;
mod home;
pub mod memory;
mod platform;
pub mod strace;
mod wait;

pub use daemon::Daemon;
pub use home::Home;
pub use wait::{until, wait};

/// Errors end the run with their text.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
