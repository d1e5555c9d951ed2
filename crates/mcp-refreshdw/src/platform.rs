//! What differs between systems.

#[cfg(unix)]
#[path = "platform/unix.rs"]
mod this;
#[cfg(windows)]
#[path = "platform/windows.rs"]
mod this;

pub(crate) use this::without_window;
