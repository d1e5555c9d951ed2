use crate::world::World;
use claude_store::FileSystem;
use jiff::Timestamp;
use refresh_engine::{Clock, Now};
use std::rc::Rc;
use std::time::Duration;

/// The clocks as the daemon sees them.
#[derive(Clone)]
pub(crate) struct MachineClock {
    pub(crate) world: Rc<World>,
}

impl Clock for MachineClock {
    fn now(&self) -> Now {
        let world = &self.world;
        let wall = Timestamp::try_from(world.disk.borrow().now()).expect("a date that exists");
        Now { wall, boot: Duration::from_millis(world.now() - world.booted.get()) }
    }

    async fn sleep_until(&self, moment: Now) {
        let now = self.now();
        let by_wall = Duration::try_from(moment.wall.duration_since(now.wall)).unwrap_or(Duration::ZERO);
        let by_boot = moment.boot.saturating_sub(now.boot);
        tokio::select! {
            biased;
            () = self.world.clock_jumped.notified() => {}
            () = tokio::time::sleep(by_wall.min(by_boot)) => {}
        }
    }
}
