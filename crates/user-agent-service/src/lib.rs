//! A background agent as a service of its user: installed, started, stopped, taken away again.
//!
//! A [`ServiceManager`] is systemd's user manager or launchd's domain of a logged-in user. It is given a [`Plan`] (which program, what
//! it needs of the disk) and answers with the [`Step`]s it took, for a person to read. What it cannot do it takes back: nothing is
//! left half-installed. Nothing here knows tokens, a network or a command line.
//!
//! # Limits
//! Everything here waits for the manager's own tools ([`Tool`]), each with a time limit, and blocks the thread meanwhile.

mod command;
mod error;
mod files;
mod launchd;
mod manager;
mod platform;
mod stamp;
mod systemd;

pub use command::{Said, Tool, ToolError};
pub use error::ServiceError;
pub use files::{Changes, sweep};
pub use launchd::{Launchd, Patience};
pub use manager::{Installed, Origin, Plan, ServiceManager, Standing, Step};
pub use platform::{Surroundings, service_manager};
pub use stamp::{Authorship, authorship, difference, stamp_line};
pub use systemd::Systemd;
