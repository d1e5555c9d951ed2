use crate::Now;
use jiff::Timestamp;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const HOURS: usize = 24;
/// After activity within this time, a session may return at any moment.
const LATELY: Duration = Duration::from_secs(4 * 60 * 60);
/// A token with a shorter lifetime is not kept fresh by habit: it would be exchanged dozens of times per session.
const BY_HABIT: Duration = Duration::from_secs(30 * 60);
/// How long such a token is kept fresh after the last activity.
const JUST_NOW: Duration = HOUR;
/// How long habits are remembered: two weeks cover each day of the week twice.
const REMEMBERED: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Tolerance of a habit: users come at about the same time, and daylight saving time shifts clocks by an hour.
const ABOUT: usize = 2;

/// When sessions of one store were active: last, and last in each hour of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    last: Option<Timestamp>,
    by_hour: [Option<Timestamp>; HOURS],
}

impl Activity {
    /// Notes that a session was active at this moment.
    pub fn note(&mut self, at: Timestamp) {
        self.last = self.last.max(Some(at));
        if let Some(hour) = self.by_hour.get_mut(hour_of(at)) {
            *hour = (*hour).max(Some(at));
        }
    }

    /// Merges both.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.last = self.last.max(other.last);
        for (hour, theirs) in self.by_hour.iter_mut().zip(other.by_hour) {
            *hour = (*hour).max(theirs);
        }
        self
    }

    /// When a session was last active; `None` if none was ever seen.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// How long no session is expected to want a token of this `life`: none was active in the last 4 hours, nor at about this time of
    /// day (plus or minus 2 hours) in the last 14 days. For a lifetime under 30 minutes: none in the last hour. Zero if a session
    /// is expected, or none was ever seen: silence then proves nothing.
    #[must_use]
    pub fn nobody_for(&self, now: Now, life: Duration) -> Duration {
        let Some(last) = self.last else { return Duration::ZERO };
        let by_habit = life >= BY_HABIT;
        if now.age_of(last) < if by_habit { LATELY } else { JUST_NOW } {
            return Duration::ZERO;
        }
        if !by_habit {
            return HOUR * 24;
        }
        let this_hour = hour_of(now.wall);
        let into_this_hour = Duration::from_secs(u64::try_from(now.wall.as_second()).unwrap_or(0) % 3600);
        let expected = |ahead: &usize| {
            let around = HOURS + this_hour + ahead - ABOUT;
            (around..=around + 2 * ABOUT).any(|hour| {
                let used = self.by_hour.get(hour % HOURS).copied().flatten();
                used.is_some_and(|used| now.age_of(used) < REMEMBERED)
            })
        };
        match (0..HOURS).find(expected) {
            Some(0) => Duration::ZERO,
            Some(ahead) => HOUR * u32::try_from(ahead).unwrap_or(0) - into_this_hour,
            None => HOUR * 24,
        }
    }
}

impl From<Option<Timestamp>> for Activity {
    fn from(last: Option<Timestamp>) -> Self {
        let mut activity = Self::default();
        last.into_iter().for_each(|at| activity.note(at));
        activity
    }
}

/// The hour of the day (in UTC: it only tells whether two moments are about a whole number of days apart).
fn hour_of(at: Timestamp) -> usize {
    usize::try_from(at.as_second().div_euclid(3600).rem_euclid(24)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    /// 2026-11-18, 09:30 UTC, a Wednesday.
    fn now() -> Now {
        Now { wall: "2026-11-18T09:30:00Z".parse().unwrap(), boot: Duration::from_secs(1000) }
    }

    fn used(hours_ago: &[i64]) -> Activity {
        let mut activity = Activity::default();
        hours_ago.iter().for_each(|ago| activity.note(now().wall - SignedDuration::from_hours(*ago)));
        activity
    }

    #[test]
    fn use_is_expected_after_recent_activity_or_at_the_usual_time() {
        for expected in [&[0][..], &[3], &[24], &[26, 30], &[22], &[7 * 24], &[13 * 24 + 2, 15 * 24], &[]] {
            assert_eq!(used(expected).nobody_for(now(), HOUR), Duration::ZERO, "{expected:?}");
        }
    }

    #[test]
    fn no_use_is_expected_until_two_hours_before_the_usual_time() {
        // Yesterday from 14:30: from 12:00 on.
        assert_eq!(used(&[19]).nobody_for(now(), HOUR), Duration::from_secs(9000));
        // Last used five hours ago: 04:30, which is expected from 02:00 on.
        assert_eq!(used(&[5]).nobody_for(now(), HOUR), Duration::from_secs(16 * 3600 + 1800));
    }

    #[test]
    fn after_two_weeks_without_a_session_no_use_is_expected() {
        assert_eq!(used(&[14 * 24]).nobody_for(now(), HOUR), HOUR * 24);
    }

    #[test]
    fn a_token_of_minutes_waits_for_a_session() {
        for (hours_ago, rest) in [(0, 0), (1, 24), (24, 24)] {
            assert_eq!(used(&[hours_ago]).nobody_for(now(), HOUR / 4), HOUR * rest, "{hours_ago}");
        }
    }

    #[test]
    fn activity_dated_in_the_future_is_ignored() {
        assert_eq!(used(&[-48]).nobody_for(now(), HOUR), HOUR * 24);
    }
}
