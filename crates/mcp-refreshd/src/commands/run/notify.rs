//! Notifies the service manager (`sd_notify(3)`). Does nothing without one.

use crate::control::report::Status;
use crate::platform::service_manager::{self, NotifyState};
use crate::terminal::wording::counted;
use refresh_engine::State;
use std::time::Duration;

/// The service is ready, with this status.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The current status.
pub(crate) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The configuration is being reloaded, until [`ready`].
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service is stopping: it waits for what is in flight.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Watchdog ping.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often to ping the service manager's watchdog.
pub(crate) fn watchdog() -> Option<Duration> {
    // sd_watchdog_enabled(3) advises half the allowed time.
    service_manager::watchdog_enabled().map(|allowed| allowed / 2).filter(|pace| !pace.is_zero())
}

/// Whether a service manager is listening.
pub(crate) fn is_heard() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Everything in one line: "20 servers: 18 fresh, 1 retrying, 1 needs you".
pub(crate) fn summary(status: &Status) -> String {
    let entries: Vec<_> = status.stores.iter().flat_map(|store| &store.entries).collect();
    let unreadable = status.stores.iter().filter(|store| store.unreadable.is_some() && !store.absent).count();
    let mut parts = Vec::new();
    for (state, word) in [
        (State::NeedsPerson, "needing you"),
        (State::Expired, "expired"),
        (State::Retrying, "retrying"),
        (State::Refused, "refused"),
        (State::Ending, "ending"),
        (State::Refreshing, "refreshing"),
        (State::Due, "due"),
        (State::Resting, "resting"),
        (State::Fresh, "fresh"),
        (State::Ignored, "ignored"),
    ] {
        let number = entries.iter().filter(|entry| entry.state == state).count();
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    if unreadable > 0 {
        parts.push(format!("{} unreadable", counted(unreadable, "store", "stores")));
    }
    let servers = counted(entries.len(), "server", "servers");
    if parts.is_empty() { servers } else { format!("{servers}: {}", parts.join(", ")) }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = service_manager::notify(state) {
        tracing::debug!("cannot notify the service manager: {error}");
    }
}
