//! The user's time: moments in the local time zone, and how far they are from now.

use crate::platform::zone;
use crate::terminal::wording::length;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Now, and the time zone of the user.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) now: Timestamp,
    zone: TimeZone,
}

impl Local {
    /// Of this process: `$TZ`, else the system's time zone, else UTC.
    pub(crate) fn now() -> Self {
        Self::at(Timestamp::now(), zone::of_this_process())
    }

    pub(crate) fn at(now: Timestamp, zone: TimeZone) -> Self {
        Self { now, zone }
    }

    /// Another moment, in the same zone.
    pub(crate) fn again(&self) -> Self {
        Self::at(Timestamp::now(), self.zone.clone())
    }

    /// To the second, with the zone: "2026-11-23 10:50:12 CET".
    pub(crate) fn exact(&self, at: Timestamp) -> String {
        self.formatted(at, "%Y-%m-%d %H:%M:%S %Z")
    }

    /// To the minute, with the date where it is not today: "10:50", "2026-11-22 10:50".
    pub(crate) fn clock(&self, at: Timestamp) -> String {
        let day = |at: Timestamp| at.to_zoned(self.zone.clone()).date();
        self.formatted(at, if day(at) == day(self.now) { "%H:%M" } else { "%Y-%m-%d %H:%M" })
    }

    /// To the second and from now: "2026-11-23 10:50:12 CET (in 9 min)".
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        format!("{} ({})", self.exact(at), self.relative(at))
    }

    /// "in 9 min", "now", "just now", "9 min ago".
    pub(crate) fn relative(&self, at: Timestamp) -> String {
        match (self.away(at), at > self.now) {
            (time, true) if time == "0 s" => "now".to_owned(),
            (time, false) if time == "0 s" => "just now".to_owned(),
            (time, true) => format!("in {time}"),
            (time, false) => format!("{time} ago"),
        }
    }

    /// The time between that moment and now.
    pub(crate) fn away(&self, at: Timestamp) -> String {
        length(at.duration_since(self.now).unsigned_abs())
    }

    fn formatted(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(zone: &str) -> Local {
        Local::at("2026-11-22T23:30:00Z".parse().unwrap(), TimeZone::posix(zone).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_in_the_users_zone() {
        let berlin = local("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(berlin.exact(at("2026-11-22T23:00:12Z")), "2026-11-23 00:00:12 CET");
        assert_eq!(berlin.exact(at("2026-07-01T12:00:00.9Z")), "2026-07-01 14:00:00 CEST");
        // In Berlin it is the 23rd already.
        assert_eq!(berlin.clock(at("2026-11-22T23:00:00Z")), "00:00");
        assert_eq!(berlin.clock(at("2026-11-22T22:59:00Z")), "2026-11-22 23:59");
        assert_eq!(local("UTC0").clock(at("2026-11-22T22:59:00Z")), "22:59");
    }

    #[test]
    fn a_moment_of_now_is_no_number_of_seconds() {
        let local = local("UTC0");
        assert_eq!(local.relative(at("2026-11-22T23:30:00.4Z")), "now");
        assert_eq!(local.relative(at("2026-11-22T23:29:59.6Z")), "just now");
        assert_eq!(local.relative(at("2026-11-22T23:30:02Z")), "in 2 s");
        assert_eq!(local.relative(at("2026-11-22T22:30:00Z")), "1 h ago");
    }

    #[test]
    fn no_moment_is_too_far_away() {
        for moment in [Timestamp::MIN, Timestamp::MAX] {
            for zone in ["UTC0", "XXX-24", "XXX24"] {
                let local = local(zone);
                assert!(!local.moment(moment).is_empty() && !local.clock(moment).is_empty());
            }
        }
    }
}
