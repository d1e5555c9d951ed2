//! How long an access token remains valid, from its own claims, its answer and both clocks.

use crate::observed::clock::CLOCK_SLACK;
use crate::{Expiry, Now, ObservedEntry, Record};
use jiff::SignedDuration;

impl ObservedEntry {
    /// How long the access token is still good: by the wall clock, and for an access token that we wrote ourselves also by the
    /// boot-time clock, whichever is less. Negative if it has expired, `None` if unknown.
    #[must_use]
    pub fn left(&self, now: Now, record: &Record) -> Option<SignedDuration> {
        let by_boot =
            record.boot_expiry.filter(|(access, _)| Some(*access) == self.access).map(|(_, ends)| {
                let seconds =
                    |time: std::time::Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
                seconds(ends).saturating_sub(seconds(now.boot))
            });
        let by_wall = match self.expiry {
            // More than the lifetime in its own answer: the clock was ahead when it was written and has been set back, so
            // the time left is unknown.
            Expiry::At(ends)
                if by_boot.is_none() && self.outlives_its_answer(ends.duration_since(now.wall), record) =>
            {
                Some(SignedDuration::ZERO)
            }
            Expiry::At(ends) => Some(ends.duration_since(now.wall)),
            // A token that expired before it was issued comes from a server with a wrong clock: ignore its claim.
            Expiry::Claimed(ends)
                if record.access == self.access && record.since.is_some_and(|since| ends <= since) =>
            {
                None
            }
            Expiry::Claimed(ends) => Some(ends.duration_since(now.wall)),
            Expiry::Unknown => None,
        };
        match (by_wall, by_boot) {
            (Some(wall), Some(boot)) => Some(wall.min(boot)),
            (one, other) => one.or(other),
        }
    }

    /// Whether the access token has expired; false if unknown.
    pub(crate) fn has_expired(&self, now: Now, record: &Record) -> bool {
        self.left(now, record).is_some_and(|left| left <= SignedDuration::ZERO)
    }

    fn outlives_its_answer(&self, left: SignedDuration, record: &Record) -> bool {
        let life = record.lifetime().filter(|_| self.access.is_some() && record.lifetime_of == self.access);
        life.and_then(|life| SignedDuration::try_from(life).ok())
            .is_some_and(|life| left > life.saturating_add(CLOCK_SLACK))
    }
}
