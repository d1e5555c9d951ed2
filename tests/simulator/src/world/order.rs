//! When machine, network and servers are in order, and what may be expected of the daemon then.

use super::*;

impl World {
    /// Something of the machine went out of order, or came back, just now.
    pub(crate) fn disturb(&self) {
        let now = self.now();
        let calm_from = self.disturbed.replace(now) + 10 * MINUTE;
        let in_order = !self.impeded();
        let mut order = self.order.borrow_mut();
        if order.last().is_none_or(|(_, before)| *before != in_order) {
            order.push((now, in_order));
        }
        drop(order);
        if self.in_order.replace(in_order) && calm_from < now {
            let mut calm = self.calm.borrow_mut();
            calm.push((calm_from, now));
            if calm.len() > 20_000 {
                calm.drain(..10_000);
            }
        }
    }

    /// Whether between these two there were five seconds in which a request would have got its answer.
    pub(crate) fn was_in_order(&self, server: usize, from: u64, to: u64) -> bool {
        let order = self.order.borrow();
        let in_order = |at: u64| {
            let next = order.partition_point(|(since, _)| *since <= at);
            next.checked_sub(1).is_some_and(|last| order[last].1)
        };
        let schedule = &self.servers[server].schedule;
        let fine = |at| in_order(at) && schedule.weather(at).is_none();
        (from..to.saturating_sub(5 * SECOND))
            .step_by(SECOND as usize)
            .any(|at| (at..=at + 5 * SECOND).step_by(SECOND as usize).all(fine))
    }

    pub(super) fn impeded(&self) -> bool {
        !self.online()
            || self.asleep.get()
            || self.disk_trouble.get() > 0
            || self.clock_error.get() != 0
            || self.with_daemon && self.daemon.borrow().is_none()
    }

    /// Whether everything that a refresh of this server's entry needs has been in order for long enough.
    pub(crate) fn settled(&self, server: usize) -> bool {
        let now = self.now();
        let schedule = &self.servers[server].schedule;
        let Some(fine_since) = schedule.fine_since(now) else { return false };
        let settle = if schedule.last_length(now) > 2 * HOUR { SETTLE_AFTER_LONG } else { SETTLE };
        !self.impeded() && now >= self.disturbed.get() + SETTLE && now >= fine_since + settle
    }

    /// Why a client that refreshes this entry now could not be spared it; `None` where it could.
    pub(crate) fn entitled(&self, server: usize) -> Option<Entitled> {
        let here = &self.servers[server];
        if here.kind.short_lived() {
            Some(Entitled::ShortLife)
        } else if !self.settled(server) {
            Some(Entitled::JustBack)
        } else if self.is_unexpected(server) {
            Some(Entitled::Unexpected)
        } else if self.wrong_clock.borrow()[server] {
            Some(Entitled::WrongClock)
        } else {
            None
        }
    }

    /// Whether there was a time between these two at which machine, network and server were in order.
    pub(crate) fn had_opportunity(&self, server: usize, from: u64, to: u64) -> bool {
        let schedule = &self.servers[server].schedule;
        let last = (self.disturbed.get() + 10 * MINUTE, if self.impeded() { 0 } else { self.now() });
        let calm = self.calm.borrow();
        calm.iter().copied().chain([last]).any(|(begin, end)| {
            let (begin, end) = (begin.max(from), end.min(to));
            (begin..end).step_by(5 * MINUTE as usize).any(|at| {
                schedule.fine_since(at).is_some_and(|since| at >= since + SETTLE_AFTER_LONG)
                    && at + MINUTE < end
            })
        })
    }
}
