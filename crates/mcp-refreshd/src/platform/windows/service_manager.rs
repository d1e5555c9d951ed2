//! Windows has no service manager that listens for notifications.

use std::io;
use std::time::Duration;

/// The state that systemd would get.
#[expect(dead_code, reason = "nobody reads it")]
pub(crate) enum NotifyState<'a> {
    Ready,
    Status(&'a str),
    Reloading,
    Stopping,
    Watchdog,
}

impl NotifyState<'_> {
    /// # Errors
    /// Always: nobody asks for it.
    pub(crate) fn monotonic_usec_now() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Nothing listens.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn notify(_state: &[NotifyState<'_>]) -> io::Result<()> {
    Ok(())
}

/// There is no watchdog.
pub(crate) fn watchdog_enabled() -> Option<Duration> {
    None
}
