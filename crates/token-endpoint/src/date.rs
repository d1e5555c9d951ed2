use crate::RawAnswer;
use jiff::{Timestamp, civil, fmt::rfc2822, tz::TimeZone};
use std::time::Duration;

/// The longest `Retry-After` that is honored. One request an hour burdens nobody, and an absurd value (the year 2099) costs no more
/// than an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The server's clock at the time of its response (`Date`), to detect a wrong local clock.
#[must_use]
pub fn date_header(answer: &RawAnswer) -> Option<Timestamp> {
    http_date(answer.date.as_deref()?)
}

/// The delay that the server asks for (RFC 9110, section 10.2.3): seconds or a date. A date is relative to the response's own
/// `Date`, so that a wrong local clock does not matter, or else to `now`.
pub(crate) fn retry_after(answer: &RawAnswer, now: Timestamp) -> Option<Duration> {
    let text = answer.retry_after.as_deref()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // NaN and infinity are no delay, negative numbers mean zero, and digits beyond the range of a `Duration` mean the longest delay.
        let asked = (seconds.is_finite() || text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_PAUSE));
        return asked.map(|pause| pause.min(LONGEST_PAUSE));
    }
    let since = date_header(answer).unwrap_or(now);
    let until = http_date(text)?;
    let pause = Duration::try_from(until.duration_since(since)).unwrap_or(Duration::ZERO);
    Some(pause.min(LONGEST_PAUSE))
}

/// Parses a date in any of the three forms of RFC 9110, section 5.6.7.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let utc = |date: civil::DateTime| TimeZone::UTC.to_timestamp(date).ok();
    rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()
        .or_else(|| civil::DateTime::strptime("%A, %d-%b-%y %H:%M:%S GMT", text).ok().and_then(utc))
        .or_else(|| civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", text).ok().and_then(utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "1994-11-06T08:49:37Z".parse().unwrap()
    }

    fn answer(retry_after: &str, date: Option<&str>) -> RawAnswer {
        RawAnswer {
            retry_after: Some(retry_after.to_owned()),
            date: date.map(ToOwned::to_owned),
            ..RawAnswer::new(503, "")
        }
    }

    #[test]
    fn all_three_forms_of_an_http_date_are_read() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(text), Some(now()), "{text}");
        }
        assert_eq!(http_date("tomorrow"), None);
    }

    #[test]
    fn a_retry_delay_is_in_seconds_or_a_date_and_at_most_an_hour() {
        let seconds = |text: &str| retry_after(&answer(text, None), now()).map(|pause| pause.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 7.9 "), Some(7));
        assert_eq!(seconds("-5"), Some(0));
        assert_eq!(seconds("1e300"), Some(3600));
        assert_eq!(seconds("86400"), Some(3600));
        assert_eq!(seconds(&"9".repeat(400)), Some(3600));
        assert_eq!(seconds("inf"), None);
        assert_eq!(seconds("NaN"), None);
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("Sun, 06 Nov 1994 08:51:37 GMT"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(seconds("Fri, 06 Nov 2099 08:00:00 GMT"), Some(3600));
    }

    #[test]
    fn a_retry_date_is_relative_to_the_servers_own_clock() {
        let skewed = answer("Sun, 06 Nov 2011 08:50:00 GMT", Some("Sun, 06 Nov 2011 08:49:00 GMT"));
        assert_eq!(retry_after(&skewed, now()), Some(Duration::from_secs(60)));
        assert_eq!(date_header(&skewed), Some("2011-11-06T08:49:00Z".parse().unwrap()));
    }
}
