use crate::platform;
use crate::platform::moment::is_before;
use jiff::Timestamp;
use refresh_engine::{Clock, Now};
use std::time::{Duration, Instant};

/// A shorter suspend is not worth a log line.
const SHORTEST_SLEEP: Duration = Duration::from_secs(10);

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { wall: Timestamp::now(), boot: platform::since_boot() }
    }

    async fn sleep_until(&self, moment: Now) {
        if is_before(self.now(), moment) {
            platform::sleep_until(moment, || self.now()).await;
        }
    }
}

/// Detects suspends: the clock that counts them advances further than the one that does not, or than it was waited for.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    boot: Duration,
    awake: Instant,
}

impl SleepWatch {
    /// Starts now.
    pub(crate) fn new() -> Self {
        Self { boot: platform::since_boot(), awake: Instant::now() }
    }

    /// Returns right after the machine resumes, with the length of the suspend.
    pub(crate) async fn slept(&mut self) -> Duration {
        loop {
            let awake = match platform::clock_changed().await {
                Some(waited) => self.awake + waited,
                None => Instant::now(),
            };
            if let Some(slept) = self.compared(platform::since_boot(), awake) {
                return slept;
            }
        }
    }

    /// The suspend since the last comparison, if there was one.
    fn compared(&mut self, boot: Duration, awake: Instant) -> Option<Duration> {
        let before = std::mem::replace(self, Self { boot, awake });
        let slept =
            boot.saturating_sub(before.boot).saturating_sub(awake.saturating_duration_since(before.awake));
        (slept >= SHORTEST_SLEEP).then_some(slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
    }

    #[test]
    fn the_clock_wakes_on_time_and_not_earlier() {
        run(async {
            let start = SystemClock.now();
            SystemClock.sleep_until(start.after(Duration::from_millis(60))).await;
            let now = SystemClock.now();
            // Either clock may be the first to get there, by a tick of its own.
            let (boot, wall) = (now.boot - start.boot, now.wall.duration_since(start.wall).unsigned_abs());
            assert!(boot.max(wall) >= Duration::from_millis(60), "{boot:?}, {wall:?}");
            assert!(boot < Duration::from_secs(5), "{boot:?}");
        });
    }

    #[test]
    fn a_suspend_is_the_difference_between_the_clocks() {
        let mut watch = SleepWatch::new();
        let (boot, awake) = (watch.boot, watch.awake);
        let seconds = Duration::from_secs;
        assert_eq!(watch.compared(boot + seconds(600), awake + seconds(600)), None);
        assert_eq!(watch.compared(boot + seconds(700), awake + seconds(605)), Some(seconds(95)));
        assert_eq!(watch.compared(boot + seconds(705), awake + seconds(605)), None, "a nap");
        assert_eq!(watch.compared(boot, awake + seconds(700)), None, "a clock that went back is harmless");
    }

    #[test]
    fn the_first_clock_to_get_there_wakes() {
        run(async {
            let start = SystemClock.now();
            let soon = start.after(Duration::from_millis(20));
            let late = start.after(Duration::from_secs(3600));
            SystemClock.sleep_until(Now { wall: soon.wall, boot: late.boot }).await;
            SystemClock
                .sleep_until(Now { wall: late.wall, boot: soon.boot.max(SystemClock.now().boot) })
                .await;
            let slept = SystemClock.now().boot - start.boot;
            assert!(slept < Duration::from_secs(5), "{slept:?}");
        });
    }

    #[test]
    fn past_and_unreachable_moments_are_harmless() {
        run(async {
            let now = SystemClock.now();
            SystemClock.sleep_until(Now { wall: Timestamp::MIN, boot: Duration::MAX }).await;
            SystemClock.sleep_until(Now { wall: Timestamp::MAX, boot: Duration::ZERO }).await;
            SystemClock.sleep_until(now).await;
            let never = SystemClock.sleep_until(Now { wall: Timestamp::MAX, boot: Duration::MAX });
            tokio::time::timeout(Duration::from_millis(20), never).await.unwrap_err();
        });
    }
}
