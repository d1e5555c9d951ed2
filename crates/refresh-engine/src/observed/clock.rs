use jiff::{SignedDuration, Timestamp};
use std::future::Future;
use std::time::Duration;

/// The two clocks a decision rests on, read at one moment.
///
/// `expiresAt` is wall-clock time, so the wall clock decides; but it can be set back. The boot-time clock cannot, and it goes on
/// during a suspend, so an entry that we wrote ourselves is due by whichever clock says so first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock (`CLOCK_REALTIME`).
    pub wall: Timestamp,
    /// Time since boot, suspends included (`CLOCK_BOOTTIME`).
    pub boot: Duration,
}

impl Now {
    /// The moment that lies `wait` ahead by both clocks.
    #[must_use]
    pub fn after(&self, wait: Duration) -> Now {
        Now { wall: later(self.wall, wait), boot: self.boot.saturating_add(wait) }
    }

    /// Time since `earlier` by the wall clock; zero if that lies ahead.
    #[must_use]
    pub fn elapsed_since(&self, earlier: Timestamp) -> Duration {
        Duration::try_from(self.wall.duration_since(earlier)).unwrap_or(Duration::ZERO)
    }

    /// How old something of this date is. What is dated well ahead was dated while the clock was wrong: as old as can be, or it would
    /// stay new until the clock gets there.
    #[must_use]
    pub(crate) fn age_of(&self, date: Timestamp) -> Duration {
        if date.duration_since(self.wall) > CLOCK_SLACK { Duration::MAX } else { self.elapsed_since(date) }
    }
}

/// Small corrections of a clock change no plan.
pub(crate) const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(60);

/// `wait` after `start`; the end of representable time where that overflows.
#[must_use]
pub fn later(start: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    start.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The clocks of the machine, or of a test's world.
pub trait Clock: Clone + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Waits until either clock has reached `moment`. May return early when the wall clock was set or the machine woke up;
    /// the caller looks at the clocks again and decides anew.
    fn sleep_until(&self, moment: Now) -> impl Future<Output = ()>;
}
