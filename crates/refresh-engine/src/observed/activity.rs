use crate::Now;
use jiff::Timestamp;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const HOURS: usize = 24;
/// Whoever was here within this time may be back at any moment.
const LATELY: Duration = Duration::from_secs(4 * 60 * 60);
/// A token with a shorter life is not kept fresh by habit: it would be exchanged dozens of times for each session that comes.
const BY_HABIT: Duration = Duration::from_secs(30 * 60);
/// Nor for long after somebody left.
const JUST_NOW: Duration = HOUR;
/// How long a habit is remembered: two weeks hold each day of the week twice.
const REMEMBERED: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// A person comes at about the same time, not at the same minute; clocks go forward and back by one hour.
const ABOUT: usize = 2;

/// When sessions of one store were active: the last moment, and the last moment in each hour of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    last: Option<Timestamp>,
    by_hour: [Option<Timestamp>; HOURS],
}

impl Activity {
    /// Notes a moment at which a session was active.
    pub fn note(&mut self, at: Timestamp) {
        self.last = self.last.max(Some(at));
        if let Some(hour) = self.by_hour.get_mut(hour_of(at)) {
            *hour = (*hour).max(Some(at));
        }
    }

    /// Both together.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.last = self.last.max(other.last);
        for (hour, theirs) in self.by_hour.iter_mut().zip(other.by_hour) {
            *hour = (*hour).max(theirs);
        }
        self
    }

    /// When a session was last active; `None` where no sign of one was ever seen.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// How long nobody is expected who wants a token of this `life`: no session was active in the last 4 hours, nor at about this time of the
    /// day (2 hours more or less) on any of the last 14 days; where it lives for less than 30 minutes, none in the last hour. Zero where somebody
    /// is expected, and where there was never a sign of any session: silence proves nothing then.
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

/// The hour of the day (UTC: what is asked is only whether two moments are about a whole number of days apart).
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
    fn whoever_was_here_lately_or_is_usually_here_now_is_expected() {
        for expected in [&[0][..], &[3], &[24], &[26, 30], &[22], &[7 * 24], &[13 * 24 + 2, 15 * 24], &[]] {
            assert_eq!(used(expected).nobody_for(now(), HOUR), Duration::ZERO, "{expected:?}");
        }
    }

    #[test]
    fn nobody_is_expected_until_two_hours_before_the_usual_time() {
        // Yesterday from 14:30: from 12:00 on.
        assert_eq!(used(&[19]).nobody_for(now(), HOUR), Duration::from_secs(9000));
        // Last used five hours ago: 04:30, which is expected from 02:00 on.
        assert_eq!(used(&[5]).nobody_for(now(), HOUR), Duration::from_secs(16 * 3600 + 1800));
    }

    #[test]
    fn after_two_weeks_without_a_session_nobody_is_expected_at_any_time() {
        assert_eq!(used(&[14 * 24]).nobody_for(now(), HOUR), HOUR * 24);
    }

    #[test]
    fn a_token_that_lives_for_minutes_waits_for_somebody_to_be_here() {
        for (hours_ago, rest) in [(0, 0), (1, 24), (24, 24)] {
            assert_eq!(used(&[hours_ago]).nobody_for(now(), HOUR / 4), HOUR * rest, "{hours_ago}");
        }
    }

    #[test]
    fn what_is_dated_well_ahead_says_nothing() {
        assert_eq!(used(&[-48]).nobody_for(now(), HOUR), HOUR * 24);
    }
}
