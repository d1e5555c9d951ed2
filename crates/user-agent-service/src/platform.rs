//! Chooses the service manager of this system.

use crate::{Launchd, ServiceManager, Systemd};
use std::ffi::OsString;
use std::path::PathBuf;

/// What a service manager needs to know about its user.
pub struct Surroundings<'a> {
    /// The user's home folder.
    pub home: PathBuf,
    /// The user's id.
    pub uid: u32,
    /// Reads an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// This system's service manager; `None` if there is no supported one.
pub fn service_manager(surroundings: &Surroundings<'_>) -> Option<Box<dyn ServiceManager>> {
    if cfg!(target_os = "linux") {
        Some(Box::new(Systemd::new(surroundings)))
    } else if cfg!(target_os = "macos") {
        Some(Box::new(Launchd::new(&surroundings.home, surroundings.uid)))
    } else {
        None
    }
}
