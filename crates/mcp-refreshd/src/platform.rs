//! What differs between systems, in variants side by side with the same signatures.

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod this;
#[cfg(not(target_os = "linux"))]
#[path = "platform/other.rs"]
mod this;

pub(crate) use this::{
    KEYCHAIN, MANAGED_SETTINGS, Mounts, SOCKET_PATH_LIMIT, desktop_notice, forbid_tracing, log_reader,
    since_boot, sleep_until, withdrawn_notice,
};

use crate::clock::SystemClock;
use refresh_engine::{Clock, Now};
use std::time::Duration;

/// How long until the first of both clocks reaches `moment`.
fn until(clock: &SystemClock, moment: Now) -> Duration {
    let now = clock.now();
    let wall = Duration::try_from(moment.wall.duration_since(now.wall)).unwrap_or(Duration::ZERO);
    wall.min(moment.boot.saturating_sub(now.boot))
}
