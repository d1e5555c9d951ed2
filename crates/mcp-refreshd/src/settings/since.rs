//! The argument of `--since`: a duration before now, or a moment.

use crate::settings::config::parse_duration;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use std::time::Duration;

/// Nothing is kept from before that.
const LONGEST: Duration = Duration::from_secs(366 * 86400);

/// A start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// This long ago.
    Ago(Duration),
    /// A date and time on the user's clock.
    Local(civil::DateTime),
    /// A moment with a time zone.
    Moment(Timestamp),
}

impl Since {
    /// Reads `90m`, `7d`, `2026-11-20`, `2026-11-20 10:00`, `2026-11-20T10:00:00Z`.
    ///
    /// # Errors
    /// Lists the accepted forms.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(ago) = parse_duration(text) {
            return match ago.is_zero() || ago > LONGEST {
                true => Err("at most 366d, and more than nothing".to_owned()),
                false => Ok(Self::Ago(ago)),
            };
        }
        let moment = text.parse().map(Self::Moment).ok();
        let local = || text.parse().map(Self::Local).ok();
        let date = || text.parse::<civil::Date>().map(|date| Self::Local(date.into())).ok();
        moment.or_else(local).or_else(date).ok_or_else(|| {
            "a duration like 90m, 12h or 7d, or a date like 2026-11-20 or \"2026-11-20 10:00\"".to_owned()
        })
    }

    /// The moment, clamped to what can be represented.
    pub(crate) fn moment(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Ago(ago) => now.saturating_sub(ago).unwrap_or(Timestamp::MIN),
            Self::Local(at) => zone.to_timestamp(at).unwrap_or(Timestamp::MIN),
            Self::Moment(at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_local_dates_are_accepted() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (text, moment) in [
            ("90m", "2026-11-23T10:30:00Z"),
            ("7d", "2026-11-16T12:00:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-07-01 10:00", "2026-07-01T08:00:00Z"),
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z"),
        ] {
            let expected: Timestamp = moment.parse().unwrap();
            assert_eq!(Since::parse(text).unwrap().moment(now, &berlin), expected, "{text}");
        }
    }

    #[test]
    fn an_error_lists_the_accepted_forms() {
        for text in ["", "1y", "yesterday", "0s", "367d", "-5m", "2026-13-01", "2026-11-20T25:00"] {
            assert!(Since::parse(text).is_err(), "{text}");
        }
        assert!(Since::parse("last week").unwrap_err().contains("2026-11-20"));
    }
}
