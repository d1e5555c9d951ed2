use crate::platform;
use crate::platform::moment::is_before;
use jiff::Timestamp;
use refresh_engine::{Clock, Now};

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
