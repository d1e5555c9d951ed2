//! Whether an access token that another program asks for is handed out as it is: a pure function.

use crate::decide::plan::plan;
use crate::decide::planned::{Plan, Until};
use crate::decide::policy::{MARGIN_FLOOR, SHORT_LIFE, SHORT_LIVED_LEFT};
use crate::records::outcome::Outcome;
use crate::{Activity, Now, ObservedEntry, Policy, Record};
use jiff::SignedDuration;
use std::time::Duration;

/// What to do before an access token is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// Nothing: it is good for long enough, or a refresh is not possible now.
    AsItIs,
    /// Refresh, as planned.
    Refresh,
    /// Refresh, though the plan waits: for a quiet moment, or for somebody to use the token.
    RefreshNow,
}

/// What to do before the access token of this entry is handed out. The session that asks is about to use it, so it may neither rest nor wait
/// for a quiet moment once less is left than [the floor](MARGIN_FLOOR). Above that the agent's own plan takes its time. A pause after a failure is kept, unless
/// nothing reached the server.
pub(crate) fn supply(
    now: Now,
    seen: &ObservedEntry,
    record: &Record,
    activity: &dyn Fn() -> Activity,
    policy: &Policy,
) -> Supply {
    if is_enough(now, seen, record) {
        return Supply::AsItIs;
    }
    let unsent = || record.last.as_ref().is_some_and(|last| last.outcome == Outcome::Unsent);
    match plan(now, seen, record, activity, policy) {
        Plan::Refresh(_) => Supply::Refresh,
        Plan::Sleep { until: Until::Quiet | Until::Use | Until::KeepAlive | Until::Margin, .. } => {
            Supply::RefreshNow
        }
        Plan::Sleep { until: Until::Retry, .. } if unsent() => Supply::RefreshNow,
        Plan::Sleep { .. } | Plan::NeedsPerson(_) | Plan::Ignore(_) => Supply::AsItIs,
    }
}

/// Whether the token is good for long enough to be handed out; one of unknown expiry is.
pub(crate) fn is_enough(now: Now, seen: &ObservedEntry, record: &Record) -> bool {
    let mark = SignedDuration::try_from(mark(record)).unwrap_or(SignedDuration::MAX);
    seen.left(now, record).is_none_or(|left| left > mark)
}

/// With less than this left, a token is refreshed before it is handed out. For a short-lived one it is the mark at which one in use is refreshed.
fn mark(record: &Record) -> Duration {
    match record.lifetime() {
        Some(life) if life < SHORT_LIFE && record.lifetime_answered => {
            (life / 4).max(SHORT_LIVED_LEFT.min(life / 2))
        }
        _ => MARGIN_FLOOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::outcome::LastRefresh;
    use crate::records::record::Retry;
    use claude_store::{Entry, EntryKey, ExpiresAt};
    use jiff::Timestamp;
    use oauth_secret::{AccessToken, RefreshToken};

    const MINUTE: Duration = Duration::from_secs(60);

    fn now() -> Now {
        Now { wall: Timestamp::from_second(1_795_000_000).unwrap(), boot: Duration::from_secs(100_000) }
    }

    fn seen(left: i64) -> ObservedEntry {
        let mut entry = Entry::named(EntryKey::new("lab|00"));
        entry.server_url = Some("https://lab.test/mcp".into());
        entry.access_token = Some(AccessToken::new("at_made_up"));
        entry.refresh_token = Some(RefreshToken::new("rt_made_up"));
        entry.expires_at = ExpiresAt::At(now().wall.as_millisecond() + left * 1000);
        ObservedEntry::new(entry)
    }

    fn record(seen: &ObservedEntry, life: Duration) -> Record {
        let mut record = Record::default();
        record.observe(now(), seen);
        record.lifetime_s = Some(life.as_secs());
        record.lifetime_answered = true;
        record.lifetime_of = seen.access;
        record.landed_at = None;
        record
    }

    fn decided(left: i64, life: Duration, change: impl FnOnce(&mut Record)) -> Supply {
        let seen = seen(left);
        let mut record = record(&seen, life);
        change(&mut record);
        let mut activity = Activity::default();
        activity.note(now().wall);
        supply(now(), &seen, &record, &|| activity, &Policy::default())
    }

    #[test]
    fn what_is_good_for_longer_than_the_floor_is_handed_out_though_the_agent_waits_for_a_quiet_moment() {
        assert_eq!(decided(3600, 60 * MINUTE, |_| {}), Supply::AsItIs);
        // Inside its margin of a quarter.
        assert_eq!(decided(8 * 60, 60 * MINUTE, |_| {}), Supply::AsItIs);
        assert_eq!(decided(7 * 60, 60 * MINUTE, |_| {}), Supply::Refresh);
        assert_eq!(decided(-5, 60 * MINUTE, |_| {}), Supply::Refresh);
    }

    #[test]
    fn a_short_lived_token_is_handed_out_until_its_own_mark() {
        assert_eq!(decided(100, 5 * MINUTE, |_| {}), Supply::AsItIs);
        assert_ne!(decided(70, 5 * MINUTE, |_| {}), Supply::AsItIs);
        assert_ne!(decided(-100, 5 * MINUTE, |_| {}), Supply::AsItIs);
    }

    #[test]
    fn a_pause_that_the_server_asked_for_is_kept_and_one_without_a_network_is_not() {
        let failed = |outcome: Outcome| {
            move |record: &mut Record| {
                record.retry = Some(Retry::after(now(), 3 * MINUTE));
                record.last =
                    Some(LastRefresh { at: now().wall, outcome, detail: String::new(), unsavable: None });
            }
        };
        assert_eq!(decided(-5, 60 * MINUTE, failed(Outcome::Transient)), Supply::AsItIs);
        assert_eq!(decided(-5, 60 * MINUTE, failed(Outcome::Unsent)), Supply::RefreshNow);
    }

    #[test]
    fn what_cannot_be_refreshed_and_what_never_expires_is_handed_out() {
        let mut ending = seen(60);
        ending.refresh = None;
        ending.entry.refresh_token = None;
        let record = record(&ending, 60 * MINUTE);
        let policy = Policy::default();
        assert_eq!(supply(now(), &ending, &record, &Activity::default, &policy), Supply::AsItIs);
        let mut endless = seen(60);
        endless.entry.expires_at = ExpiresAt::Absent;
        let endless = ObservedEntry::new(endless.entry);
        assert_eq!(supply(now(), &endless, &Record::default(), &Activity::default, &policy), Supply::AsItIs);
    }
}
