use claude_store::FileSystem;
use jiff::Timestamp;
use refresh_engine::{Clock, Now};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use virtual_disk::VirtualDisk;

/// The disk's wall clock, and a boot-time clock that suspends move on.
#[derive(Clone)]
pub(crate) struct VirtualClock {
    disk: VirtualDisk,
    started: Instant,
    suspended: Rc<Cell<Duration>>,
    jumped: Rc<Notify>,
}

impl VirtualClock {
    pub(crate) fn new(disk: VirtualDisk) -> Self {
        Self { disk, started: Instant::now(), suspended: Rc::default(), jumped: Rc::default() }
    }

    /// The machine sleeps: both clocks have gone on, timers have not.
    pub(crate) fn suspend(&self, time: Duration) {
        self.disk.step_clock_forward(time);
        self.suspended.set(self.suspended.get() + time);
        self.jumped.notify_waiters();
    }

    /// Somebody sets the wall clock back.
    pub(crate) fn set_back(&self, by: Duration) {
        self.disk.step_clock_backward(by);
        self.jumped.notify_waiters();
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        let wall = Timestamp::try_from(self.disk.now()).expect("a date of this century");
        Now { wall, boot: self.started.elapsed() + self.suspended.get() }
    }

    async fn sleep_until(&self, moment: Now) {
        let now = self.now();
        let by_wall = Duration::try_from(moment.wall.duration_since(now.wall)).unwrap_or(Duration::ZERO);
        let by_boot = moment.boot.saturating_sub(now.boot);
        tokio::select! {
            () = tokio::time::sleep(by_wall.min(by_boot)) => {}
            () = self.jumped.notified() => {}
        }
    }
}
