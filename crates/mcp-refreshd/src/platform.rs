//! Everything that differs between systems: variants side by side with the same signatures.

pub(crate) mod clock;
pub(crate) mod moment;
pub(crate) mod shell;
pub(crate) mod zone;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as family;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as family;

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod this;
#[cfg(all(unix, not(target_os = "linux")))]
#[path = "platform/other.rs"]
mod this;
#[cfg(windows)]
use windows::system as this;

pub(crate) use family::{
    confined, files, memory, outside, process, service_manager, signals, sockets, terminal,
};
#[cfg(all(test, unix))]
pub(crate) use this::KNOWS_STOPPED;
pub(crate) use this::{
    CLIENT_MAY_USE_CREDENTIAL_MANAGER, CLIENT_USES_KEYCHAIN, CONFIG_FOLDER, MANAGED_SETTINGS, Mounts, SHELL,
    STATE_FOLDER, browser_command, clock_changed, desktop_notice, has_service_manager, in_background,
    is_stopped, log_reader, since_boot, sleep_until, starter, unknown_user, withdrawn_notice,
};
