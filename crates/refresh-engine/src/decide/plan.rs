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

/// If the access token's expiry is unknown, a suspect refresh token is tried again after this.
const SUSPECT_RECHECK_UNKNOWN: Duration = Duration::from_secs(60 * 60);

/// What to do with one entry now. `activity` returns when sessions of this store were active; it reads the disk,
/// so it is called only if the answer matters.
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
        // Another metadata lookup costs no token, and servers do get fixed.
        Some(Need::EndpointMoved { .. } | Need::NoEndpoint { .. }) if pause.is_zero() => {
            return Plan::Refresh(Reason::Recheck);
        }
        // The user has been told, and it may still pass by itself.
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
        // One try within a short grace period, one late; then only the growing pauses between tries.
        Verdict::Ambiguous { tries: 0 | 1, .. } => {
            wait_or(held(now, seen, record).max(pause), Until::AmbiguousHold, Reason::AfterAmbiguous)
        }
        Verdict::Ambiguous { .. } => wait_or(pause, Until::Retry, Reason::AfterAmbiguous),
        // Wait for no grace period and no quiet moment: it expires in seconds.
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

/// What the user is needed for, even while tries continue.
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

/// How much longer not to present the refresh token, whoever asks: it may be spent, and presenting it again may end the login and
/// revoke an access token that is still good.
pub(crate) fn held(now: Now, seen: &ObservedEntry, record: &Record) -> Duration {
    match (&record.verdict, seen.left(now, record)) {
        // Do not risk a reuse before the client itself would present the token.
        (Verdict::Suspect { reuse: true, .. }, Some(left)) => until(left, CLIENT_WINDOW),
        (Verdict::Suspect { reuse: true, .. }, None) => {
            UNKNOWN_EXPIRY_KEEP_ALIVE.saturating_sub(since_last_request(now, record))
        }
        // It is retried within seconds anyway.
        (Verdict::Ambiguous { tries: 0, .. }, Some(left)) => {
            record.retry.map_or(Duration::ZERO, |retry| retry.left(now)).min(until(left, MARGIN_FLOOR))
        }
        (Verdict::Ambiguous { tries: 1, .. }, Some(left)) => {
            let (hold, since) = (until(left, MARGIN_FLOOR), since_last_request(now, record));
            // While the longest known grace period may last, its end counts for more than the access token's remaining life.
            if since < LONGEST_GRACE { hold.min(GRACE_USED.saturating_sub(since)) } else { hold }
        }
        _ => Duration::ZERO,
    }
}

/// What `--force` gets: a refresh now, regardless of pauses and margins. What would endanger the grant is still refused. (Whether
/// an answer left the token's fate open is checked separately, for every entry that holds it.)
#[must_use]
pub fn plan_forced(seen: &ObservedEntry, record: &Record, policy: &Policy) -> Plan {
    if policy.ignores(&seen.entry.server_name) {
        return Plan::Ignore(Ignored::Configured);
    }
    if seen.refresh.is_none() {
        return Plan::NeedsPerson(Need::without_refresh_token(seen));
    }
    match need_of(seen, record, None) {
        // Without it nothing can be sent, and presenting a spent token would revoke its successor.
        Some(need @ (Need::NoServerUrl | Need::Spent)) => Plan::NeedsPerson(need),
        // Trying again is exactly what the user wants. A refusal consumed nothing, and a token called dead has nothing to lose.
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
