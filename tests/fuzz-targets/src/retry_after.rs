use crate::head::head;
use jiff::Timestamp;
use std::time::Duration;
use token_endpoint::{Answer, RawAnswer, date_header, interpret};

const HOUR: Duration = Duration::from_secs(3600);

/// `Retry-After` and `Date`.
///
/// A pause is at most an hour; whole seconds are used unchanged; a date is relative to the server's own clock, so that the moment
/// of the answer itself means no pause.
///
/// Input: `Retry-After`; `Date`.
pub fn retry_after(input: &[u8]) {
    let ([retry_after, date], _) = head(input);
    let pause = |retry_after: &str, date: &str| {
        let answer = RawAnswer {
            retry_after: Some(retry_after.to_owned()),
            date: Some(date.to_owned()),
            ..RawAnswer::new(429, "")
        };
        match interpret(&answer, Timestamp::UNIX_EPOCH) {
            Answer::Transient { retry_after, .. } => retry_after,
            other => panic!("429 is {}", other.name()),
        }
    };
    let asked = pause(&retry_after, &date);
    assert!(asked.is_none_or(|pause| pause <= HOUR), "{asked:?}");
    if !retry_after.is_empty() && retry_after.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = retry_after.parse::<u64>().map_or(HOUR, Duration::from_secs);
        assert_eq!(asked, Some(seconds.min(HOUR)));
    }
    let is_date = date_header(&RawAnswer { date: Some(date.clone()), ..RawAnswer::new(429, "") }).is_some();
    if is_date && date.trim().parse::<f64>().is_err() {
        assert_eq!(pause(&date, &date), Some(Duration::ZERO));
    }
}
