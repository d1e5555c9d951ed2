//! The protocol with systemd (`sd_notify(3)`).

pub(crate) use sd_notify::{NotifyState, notify, watchdog_enabled};
