use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Wall-clock time: a base, the time that passed, and the steps that were made.
#[derive(Clone)]
pub(crate) struct Clock {
    started: Instant,
    shown: SystemTime,
}

impl Clock {
    pub(crate) fn starting_at(base: SystemTime) -> Self {
        Self { started: Instant::now(), shown: base }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.shown + self.started.elapsed()
    }

    pub(crate) fn forward(&mut self, by: Duration) {
        self.shown += by;
    }

    pub(crate) fn backward(&mut self, by: Duration) {
        self.shown -= by;
    }
}
