use crate::platform;
use crate::platform::moment::is_before;
use jiff::Timestamp;
use refresh_engine::{Clock, Now};
use std::time::{Duration, Instant};

/// A shorter sleep is not worth a line.
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

/// Tells how long the machine was suspended: so much further went the clock that counts suspends than the one that does not.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    boot: Duration,
    awake: Instant,
}

impl SleepWatch {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { boot: platform::since_boot(), awake: Instant::now() }
    }

    /// Returns right after the machine woke up, with the time that it slept.
    pub(crate) async fn slept(&mut self) -> Duration {
        loop {
            platform::clock_changed().await;
            if let Some(slept) = self.compared(platform::since_boot(), Instant::now()) {
                return slept;
            }
        }
    }

    /// The sleep since the last comparison, where there was one.
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
    fn the_clock_wakes_at_the_moment_and_not_before() {
        run(async {
            let start = SystemClock.now();
            SystemClock.sleep_until(start.after(Duration::from_millis(60))).await;
            let slept = SystemClock.now().boot - start.boot;
            assert!(slept >= Duration::from_millis(60) && slept < Duration::from_secs(5), "{slept:?}");
        });
    }

    #[test]
    fn a_suspend_is_what_one_clock_counts_and_the_other_does_not() {
        let mut watch = SleepWatch::new();
        let (boot, awake) = (watch.boot, watch.awake);
        let seconds = Duration::from_secs;
        assert_eq!(watch.compared(boot + seconds(600), awake + seconds(600)), None);
        assert_eq!(watch.compared(boot + seconds(700), awake + seconds(605)), Some(seconds(95)));
        assert_eq!(watch.compared(boot + seconds(705), awake + seconds(605)), None, "a nap");
        assert_eq!(watch.compared(boot, awake + seconds(700)), None, "no clock goes back; it is no trouble");
    }

    #[test]
    fn whichever_clock_gets_there_first_wakes() {
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
    fn a_moment_that_has_passed_or_never_comes_is_no_trouble() {
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
