//! When sessions are active, and whether the daemon could expect them.

use super::*;

impl World {
    /// A session is active.
    pub(crate) fn note_use(&self) {
        let now = self.now();
        let mut used = self.used.get();
        used[(now / HOUR % 24) as usize] = Some(now);
        self.used.set(used);
        self.last_busy.set(now);
    }

    /// What the client's files tell of it: they are dated by the machine's clock of then, which was right.
    pub(crate) fn activity(&self) -> Activity {
        let mut activity = Activity::default();
        let begun = self.wall() - self.clock_error.get() - i64::try_from(self.now()).unwrap_or(0);
        let dated = |at: u64| Timestamp::from_millisecond(begun + i64::try_from(at).unwrap_or(0)).ok();
        self.used.get().into_iter().flatten().filter_map(dated).for_each(|at| activity.note(at));
        if self.busy.get() > 0 {
            Timestamp::from_millisecond(self.wall()).into_iter().for_each(|at| activity.note(at));
        }
        activity
    }

    /// Somebody begins to use a session. Where nobody was expected now (not here lately, and not usually here at this time) the daemon has
    /// let tokens end, and gets a minute.
    pub(crate) fn begin_use(&self) {
        let wall = Timestamp::from_millisecond(self.wall() - self.clock_error.get()).unwrap_or_default();
        let now = Now { wall, boot: Duration::from_millis(self.now()) };
        if self.fresh.get() == Freshness::WhenUsed {
            let activity = self.activity();
            let mut until = self.unexpected_until.borrow_mut();
            for (until, server) in until.iter_mut().zip(&self.servers) {
                if !activity.nobody_for(now, Duration::from_millis(server.kind.lifetime)).is_zero() {
                    *until = self.now() + MINUTE + 30 * SECOND;
                }
            }
        }
        self.note_use();
    }

    /// Whether somebody came just now whom nobody expected.
    pub(crate) fn is_unexpected(&self, server: usize) -> bool {
        self.now() < self.unexpected_until.borrow()[server]
    }
}
