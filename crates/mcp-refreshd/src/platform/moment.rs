use refresh_engine::Now;
use std::time::Duration;

/// Whether neither clock has reached the moment.
pub(crate) fn is_before(now: Now, moment: Now) -> bool {
    now.wall < moment.wall && now.boot < moment.boot
}

/// How long until the first clock reaches the moment.
pub(super) fn until(now: Now, moment: Now) -> Duration {
    let wall = Duration::try_from(moment.wall.duration_since(now.wall)).unwrap_or(Duration::ZERO);
    wall.min(moment.boot.saturating_sub(now.boot))
}
