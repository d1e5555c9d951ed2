//! A background agent as a user service: installed, started, stopped, removed.
//!
//! A [`ServiceManager`] is systemd's user manager, launchd's domain of a logged-in user, or Windows' Task Scheduler. It gets a [`Plan`] (the program, and the
//! folders it writes to) and returns the [`Step`]s taken, for display. Failed operations are rolled back, so nothing is left
//! half-installed. This crate knows no tokens, network or command line.
//!
//! # Limits
//! All functions wait for the manager's own tools ([`Tool`]), each with a time limit, and block the thread.

mod command;
mod error;
mod files;
#[cfg(feature = "launchd")]
mod launchd;
mod log;
mod manager;
mod platform;
mod stamp;
mod systemd;
mod task_scheduler;

pub use command::{Said, Tool, ToolError};
pub use error::ServiceError;
pub use files::{Changes, sweep};
#[cfg(feature = "launchd")]
pub use launchd::Launchd;
pub use manager::{Installed, Origin, Patience, Plan, RunningAgent, ServiceManager, Standing, Step};
pub use platform::{Surroundings, service_manager};
pub use stamp::{Authorship, authorship, difference};
pub use systemd::Systemd;
pub use task_scheduler::TaskScheduler;
