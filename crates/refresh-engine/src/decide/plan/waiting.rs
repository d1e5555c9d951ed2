//! Waits and deadlines.

use crate::decide::planned::{Plan, Reason, Until};
use crate::decide::policy::PACE;
use crate::records::outcome::Outcome;
use crate::{Now, Record};
use jiff::SignedDuration;
use std::time::Duration;

pub(super) fn wait_or(wait: Duration, until: Until, reason: Reason) -> Plan {
    if wait.is_zero() { Plan::Refresh(reason) } else { Plan::Sleep { wait, until } }
}

/// How long until only `mark` of `left` remains; zero when that is past.
pub(super) fn until(left: SignedDuration, mark: Duration) -> Duration {
    let mark = SignedDuration::try_from(mark).unwrap_or(SignedDuration::MAX);
    Duration::try_from(left.saturating_sub(mark)).unwrap_or(Duration::ZERO)
}

/// The pause after a successful refresh, however short the server's lifetimes. A later login is exempt.
pub(super) fn pace(now: Now, record: &Record) -> Duration {
    let went_well = record.last.as_ref().is_some_and(|last| last.outcome == Outcome::Fresh);
    let sent_at = record.sent_at.filter(|_| went_well && record.since == record.sent_at);
    sent_at.map_or(Duration::ZERO, |at| PACE.saturating_sub(now.age_of(at)))
}

/// Time since this refresh token was last presented, or first seen.
pub(super) fn since_last_request(now: Now, record: &Record) -> Duration {
    record.sent_at.max(record.since).map_or(Duration::MAX, |at| now.age_of(at))
}
