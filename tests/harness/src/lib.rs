//! What every test of the real program needs: a home folder of its own, the agent in it, and what strace saw.
//!
//! Programs that measure or kill use it as it is; the tests of `mcp-refreshd` through `support`, which fails the test instead of returning an error.

mod daemon;
mod home;
pub mod strace;
mod wait;

pub use daemon::Daemon;
pub use home::Home;
pub use wait::{until, wait};

/// An error ends the run with its text.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
