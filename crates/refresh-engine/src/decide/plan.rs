//! What to do with one entry now: a pure function of the clocks, the entry, what is remembered of it, and the policy.

mod healthy;
mod waiting;

use crate::decide::apply_answer::passes_by_itself;
use crate::decide::need::{Need, need_of};
use crate::decide::planned::{Ignored, Plan, Reason, Until};
use crate::decide::policy::{
    CLIENT_WINDOW, GRACE_USED, LONGEST_GRACE, MARGIN_FLOOR, SUSPECT_RECHECK, UNKNOWN_EXPIRY_KEEP_ALIVE,
};
use crate::{Activity, Now, ObservedEntry, Policy, Record, Verdict};
use healthy::plan_healthy;
use jiff::SignedDuration;
use std::time::Duration;
use waiting::{pace, since_last_request, until, wait_or};

/// Where nobody knows when the access token ends, a suspect is asked about again after this.
const SUSPECT_RECHECK_UNKNOWN: Duration = Duration::from_secs(60 * 60);

/// What to do with one entry now. `activity` tells when sessions of this store were at work; it costs a look at the disk,
/// so it is asked only where the answer matters.
#[must_use]
pub fn plan(
    now: Now,
    seen: &ObservedEntry,
    record: &Record,
    activity: &dyn Fn() -> Activity,
    policy: &Policy,
) -> Plan {
    if policy.ignores(&seen.entry.server_name) {
        return Plan::Ignore(Ignored::Configured);
    }
    let left = seen.left(now, record);
    if seen.refresh.is_none() {
        return plan_without_refresh_token(seen, record, left, policy);
    }
    let pause = record.retry.map_or(Duration::ZERO, |retry| retry.left(now));
    match need_of(seen, record, left) {
        // Looking the metadata up again costs no token, and servers mend such things.
        Some(Need::EndpointMoved { .. } | Need::NoEndpoint { .. }) if pause.is_zero() => {
            return Plan::Refresh(Reason::Recheck);
        }
        // A person was told, and still it may pass by itself.
        Some(Need::Refused { code }) if pause.is_zero() && passes_by_itself(&code) => {
            return Plan::Refresh(Reason::Recheck);
        }
        Some(Need::ServerFails { .. }) if pause.is_zero() => return Plan::Refresh(Reason::AfterAmbiguous),
        Some(Need::Dead { .. }) if pause.is_zero() && record.verdict.is_open() => {
            return Plan::Refresh(Reason::Recheck);
        }
        Some(need) => return Plan::NeedsPerson(need),
        None => {}
    }
    match &record.verdict {
        Verdict::Suspect { reuse, .. } => {
            let recheck = match left {
                _ if *reuse => held(now, seen, record),
                Some(left) => until(left, SUSPECT_RECHECK),
                None => SUSPECT_RECHECK_UNKNOWN.saturating_sub(since_last_request(now, record)),
            };
            wait_or(recheck.max(pause), Until::Recheck, Reason::Recheck)
        }
        Verdict::CutOff { .. } => wait_or(pause, Until::Retry, Reason::CutOff),
        // One try within a grace of seconds, one late; after that only the pauses between tries, which grow.
        Verdict::Ambiguous { tries: 0 | 1, .. } => {
            wait_or(held(now, seen, record).max(pause), Until::AmbiguousHold, Reason::AfterAmbiguous)
        }
        Verdict::Ambiguous { .. } => wait_or(pause, Until::Retry, Reason::AfterAmbiguous),
        // No grace is waited out, and no quiet moment: it ends in seconds.
        _ if seen.refresh == record.contested => wait_or(pause, Until::Retry, Reason::Contested),
        _ => match plan_healthy(now, seen, record, left, activity, policy) {
            Plan::Refresh(reason) => {
                let pause = pause.max(pace(now, record));
                if pause.is_zero() {
                    Plan::Refresh(reason)
                } else {
                    Plan::Sleep { wait: pause, until: Until::Retry }
                }
            }
            planned => planned,
        },
    }
}

/// What a person is called for, also while the entry is being tried all the same.
pub(crate) fn open_need(now: Now, seen: &ObservedEntry, record: &Record, policy: &Policy) -> Option<Need> {
    if seen.refresh.is_some() && record.verdict.is_open() {
        return None;
    }
    match plan(now, seen, record, &Activity::default, policy) {
        Plan::NeedsPerson(need) => Some(need),
        Plan::Refresh(Reason::Recheck | Reason::AfterAmbiguous) => {
            need_of(seen, record, seen.left(now, record))
        }
        _ => None,
    }
}

/// How much longer the refresh token is not presented, whoever asks: it may be spent, so that presenting it once more may end the login, and
/// the access token with it, which is still good.
pub(crate) fn held(now: Now, seen: &ObservedEntry, record: &Record) -> Duration {
    match (&record.verdict, seen.left(now, record)) {
        // What may be a reuse is not risked before the client itself would present the token.
        (Verdict::Suspect { reuse: true, .. }, Some(left)) => until(left, CLIENT_WINDOW),
        (Verdict::Suspect { reuse: true, .. }, None) => {
            UNKNOWN_EXPIRY_KEEP_ALIVE.saturating_sub(since_last_request(now, record))
        }
        // Asked for by itself in seconds.
        (Verdict::Ambiguous { tries: 0, .. }, Some(left)) => {
            record.retry.map_or(Duration::ZERO, |retry| retry.left(now)).min(until(left, MARGIN_FLOOR))
        }
        (Verdict::Ambiguous { tries: 1, .. }, Some(left)) => {
            let (hold, since) = (until(left, MARGIN_FLOOR), since_last_request(now, record));
            // As long as the longest known grace may last, its end counts for more than what the access token is worth.
            if since < LONGEST_GRACE { hold.min(GRACE_USED.saturating_sub(since)) } else { hold }
        }
        _ => Duration::ZERO,
    }
}

/// What a person who insists gets: a refresh now, pauses and margins aside. What would endanger the grant is still refused. (That
/// an answer left open what became of the token is asked besides, of every entry that holds it.)
#[must_use]
pub fn plan_forced(seen: &ObservedEntry, record: &Record, policy: &Policy) -> Plan {
    if policy.ignores(&seen.entry.server_name) {
        return Plan::Ignore(Ignored::Configured);
    }
    if seen.refresh.is_none() {
        return Plan::NeedsPerson(Need::without_refresh_token(seen));
    }
    match need_of(seen, record, None) {
        // Without it nothing can be sent, and a spent token would take its successor with it.
        Some(need @ (Need::NoServerUrl | Need::Spent)) => Plan::NeedsPerson(need),
        // Asking again is exactly what the person wants. A refusal consumed nothing, and a token that was called dead has no more to lose.
        _ => Plan::Refresh(Reason::Forced),
    }
}

fn plan_without_refresh_token(
    seen: &ObservedEntry,
    record: &Record,
    left: Option<SignedDuration>,
    policy: &Policy,
) -> Plan {
    if seen.entry.is_stub() {
        return Plan::NeedsPerson(Need::Stub);
    }
    let Some(left) = left else { return Plan::Ignore(Ignored::NothingToDo) };
    let margin = policy.margin_of(&seen.entry.server_name, record.lifetime().unwrap_or_default());
    match until(left, margin) {
        Duration::ZERO => Plan::NeedsPerson(Need::NoRefreshToken),
        wait => Plan::Sleep { wait, until: Until::Expiry },
    }
}

#[cfg(test)]
mod tests;
