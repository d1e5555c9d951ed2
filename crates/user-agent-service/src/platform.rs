//! Chooses the service manager of this system.

#[cfg(unix)]
#[path = "platform/unix.rs"]
mod this;
#[cfg(windows)]
#[path = "platform/windows.rs"]
mod this;

pub(crate) use this::{mode_of, set_mode};

#[cfg(feature = "launchd")]
use crate::Launchd;
use crate::{RunningAgent, ServiceManager, Systemd, TaskScheduler};
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;

/// What a service manager needs to know about its user.
pub struct Surroundings<'a> {
    /// The user's home folder.
    pub home: PathBuf,
    /// The user's id.
    pub uid: u32,
    /// The agent's own folder.
    pub state: PathBuf,
    /// The agent, if it runs.
    pub agent: Rc<dyn RunningAgent>,
    /// Reads an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// This system's service manager; `None` if there is no supported one.
pub fn service_manager(surroundings: &Surroundings<'_>) -> Option<Box<dyn ServiceManager>> {
    #[cfg(feature = "launchd")]
    if cfg!(target_os = "macos") {
        return Some(Box::new(Launchd::new(&surroundings.home, surroundings.uid)));
    }
    if cfg!(target_os = "linux") {
        Some(Box::new(Systemd::new(surroundings)))
    } else if cfg!(windows) {
        Some(Box::new(TaskScheduler::new(surroundings)))
    } else {
        None
    }
}
