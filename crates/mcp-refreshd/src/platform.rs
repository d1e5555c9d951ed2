//! What differs between systems, in variants side by side with the same signatures.

pub(crate) mod clock;
pub(crate) mod confined;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod moment;
pub(crate) mod outside;
pub(crate) mod process;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod terminal;
pub(crate) mod zone;

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod this;
#[cfg(not(target_os = "linux"))]
#[path = "platform/other.rs"]
mod this;

pub(crate) use this::{
    CLIENT_USES_KEYCHAIN, MANAGED_SETTINGS, Mounts, SOCKET_PATH_LIMIT, desktop_notice, forbid_tracing,
    is_stopped, log_reader, since_boot, sleep_until, withdrawn_notice,
};
