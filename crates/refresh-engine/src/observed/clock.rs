use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::time::Duration;

/// The two clocks that decisions use, read at one moment.
///
/// `expiresAt` is wall-clock time, so the wall clock decides; but it can be set back. The boot-time clock cannot, and it goes on
/// during a suspend, so an entry that we wrote ourselves is due when either clock says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock (`CLOCK_REALTIME`).
    pub wall: Timestamp,
    /// Time since boot, suspends included (`CLOCK_BOOTTIME`).
    pub boot: Duration,
}

impl Now {
    /// The moment `wait` from now by both clocks.
    #[must_use]
    pub fn after(&self, wait: Duration) -> Now {
        Now { wall: later(self.wall, wait), boot: self.boot.saturating_add(wait) }
    }

    /// Time since `earlier` by the wall clock; zero if that is in the future.
    #[must_use]
    pub fn elapsed_since(&self, earlier: Timestamp) -> Duration {
        Duration::try_from(self.wall.duration_since(earlier)).unwrap_or(Duration::ZERO)
    }

    /// The age of something with this date. A date well in the future came from a wrong clock and counts as infinitely old, or it would
    /// stay new until the clock gets there.
    #[must_use]
    pub(crate) fn age_of(&self, date: Timestamp) -> Duration {
        if date.duration_since(self.wall) > CLOCK_SLACK { Duration::MAX } else { self.elapsed_since(date) }
    }
}

/// Small clock corrections change no plan.
pub(crate) const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(60);

/// `wait` after `start`, saturating.
#[must_use]
pub fn later(start: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    start.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The machine's clocks, or a test's.
pub trait Clock: Clone + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Waits until either clock has reached `moment`. May return early when the wall clock was set or the machine resumed;
    /// the caller reads the clocks again and decides again.
    fn sleep_until(&self, moment: Now) -> impl Future<Output = ()>;
}
