//! The plan for a healthy entry.

use super::waiting::{since_last_request, until, wait_or};
use crate::decide::planned::{Plan, Reason, Until};
use crate::decide::policy::{
    KEEP_ALIVE_PATIENCE, MARGIN_FLOOR, NEW_LOGIN_REST, PACE, QUIET, RESTING_KEEP_ALIVE, RESTING_LOOK,
    SHORT_LIFE, SHORT_LIVED_ACTIVE, SHORT_LIVED_KEEP_ALIVE, SHORT_LIVED_LEFT, SHORT_LIVED_LOOK,
    SHORT_LIVED_RESUMED, SUSPECT_RECHECK, UNKNOWN_EXPIRY_KEEP_ALIVE, with_jitter,
};
use crate::{Activity, Freshness, Now, ObservedEntry, Policy, Record};
use jiff::SignedDuration;
use std::time::Duration;

/// When a healthy entry is due, and whether to refresh it now.
pub(super) fn plan_healthy(
    now: Now,
    seen: &ObservedEntry,
    record: &Record,
    left: Option<SignedDuration>,
    activity: &dyn Fn() -> Activity,
    policy: &Policy,
) -> Plan {
    let name = &seen.entry.server_name;
    let keep_alive = policy.keep_alive_of(name);
    // Expected use does not matter while the token is good for long.
    let resting = |life: Option<Duration>| match policy.fresh {
        Freshness::Always => Duration::ZERO,
        Freshness::WhenUsed => activity().nobody_for(now, life.unwrap_or(Duration::MAX)),
    };
    let exercise = exercise_due(now, record, left, keep_alive);
    let access_token = match (left, record.lifetime()) {
        (None, _) => Plan::Sleep { wait: Duration::MAX, until: Until::KeepAlive },
        (Some(left), life) => {
            let short_lived = life.is_some_and(|life| life < SHORT_LIFE) && record.lifetime_answered;
            let seed = seen.refresh.map_or(0, |refresh| refresh.seed()) ^ policy.jitter_seed;
            let margin = with_jitter(policy.margin_of(name, life.unwrap_or_default()), seed);
            // A new login is refreshed at the latest before the client's own window.
            let new_login = rest_of_a_new_login(now, record).min(until(left, SUSPECT_RECHECK));
            let wait = if short_lived { Duration::ZERO } else { until(left, margin).max(new_login) };
            if !wait.is_zero() {
                return earlier(Plan::Sleep { wait, until: Until::Margin }, exercise, now, activity);
            }
            let rest = resting(life.filter(|_| record.lifetime_answered));
            if !rest.is_zero() {
                let exercise = exercise_due(now, record, Some(left), keep_alive.min(RESTING_KEEP_ALIVE));
                // Whichever comes first, the keep-alive or the usual time: a session may come before both.
                return match earlier(plan_resting(now, left, rest, activity), exercise, now, activity) {
                    Plan::Sleep { wait, .. } => Plan::Sleep { wait, until: Until::Use },
                    planned => planned,
                };
            }
            match life {
                Some(life) if short_lived => plan_short_lived(now, record, left, life, activity),
                _ if left <= SignedDuration::ZERO => return Plan::Refresh(Reason::Expired),
                // Waiting for a quiet moment ends at the floor, not at the margin.
                _ => at_a_quiet_moment(now, until(left, MARGIN_FLOOR), Reason::Due, activity),
            }
        }
    };
    earlier(access_token, exercise, now, activity)
}

/// No session is expected for `rest`: the access token may expire. Until it has, a new session finds it good and changes nothing in the store; and a
/// session resumed after hours changes nothing that is watched: only a check shows either. Otherwise a session's first
/// file reveals it, or the client's own refresh.
fn plan_resting(now: Now, left: SignedDuration, rest: Duration, activity: &dyn Fn() -> Activity) -> Plan {
    let quiet_for = activity().last().map_or(Duration::MAX, |at| now.elapsed_since(at));
    let looks = left > SignedDuration::ZERO || quiet_for < SHORT_LIVED_RESUMED;
    let wait = if looks { rest.min(RESTING_LOOK) } else { rest };
    Plan::Sleep { wait, until: Until::Use }
}

/// How much longer to leave a pair alone that another program wrote.
fn rest_of_a_new_login(now: Now, record: &Record) -> Duration {
    record.landed_at.map_or(Duration::ZERO, |at| NEW_LOGIN_REST.saturating_sub(now.age_of(at)))
}

/// Lifetime under 10 minutes: no margin stays above the client's window, so the client refreshes at each use. In use: when a quarter of the lifetime
/// is left, or a minute if that is at most half, and at most every 10 s. Not in use: rarely, since every rotation is a risk.
fn plan_short_lived(
    now: Now,
    record: &Record,
    left: SignedDuration,
    life: Duration,
    activity: &dyn Fn() -> Activity,
) -> Plan {
    let since_request = since_last_request(now, record);
    let quiet_for = activity().last().map_or(Duration::MAX, |at| now.elapsed_since(at));
    if quiet_for < SHORT_LIVED_ACTIVE {
        let mark = (life / 4).max(SHORT_LIVED_LEFT.min(life / 2));
        let wait = until(left, mark).max(PACE.saturating_sub(since_request));
        return wait_or(wait, Until::Margin, Reason::ShortLived);
    }
    let keep_alive = SHORT_LIVED_KEEP_ALIVE.saturating_sub(since_request);
    if quiet_for < SHORT_LIVED_RESUMED && !keep_alive.is_zero() {
        // A session resumed after a break changes nothing that is watched; only a check shows it.
        return Plan::Sleep { wait: keep_alive.min(SHORT_LIVED_LOOK), until: Until::KeepAlive };
    }
    wait_or(keep_alive, Until::KeepAlive, Reason::KeepAlive)
}

/// When the refresh token itself must be used, regardless of the access token.
struct Exercise {
    /// How long until then.
    wait: Duration,
    /// How much longer it may then wait for a quiet moment.
    patience: Duration,
}

/// After the keep-alive time without use, or at 75 % of the refresh token's lifetime.
fn exercise_due(now: Now, record: &Record, left: Option<SignedDuration>, keep_alive: Duration) -> Exercise {
    let since = record.since.unwrap_or(now.wall);
    let idle = if left.is_none() { keep_alive.min(UNKNOWN_EXPIRY_KEEP_ALIVE) } else { keep_alive };
    let life = record
        .refresh_token_expires_at
        .map(|lapses| Duration::try_from(lapses.duration_since(since)).unwrap_or(Duration::ZERO));
    let limit = life.map_or(idle, |life| idle.min(life / 4 * 3));
    // At most half of the refresh token's remaining life.
    let at_last =
        limit.saturating_add(KEEP_ALIVE_PATIENCE).min(life.map_or(Duration::MAX, |life| life / 8 * 7));
    let unused = match record.boot_age(now) {
        Some(age) if since > now.wall => age,
        _ => now.age_of(since),
    };
    Exercise { wait: limit.saturating_sub(unused), patience: at_last.saturating_sub(unused) }
}

/// The access token's plan, unless the refresh token must be used earlier.
fn earlier(plan: Plan, exercise: Exercise, now: Now, activity: &dyn Fn() -> Activity) -> Plan {
    match plan {
        Plan::Sleep { .. } if exercise.wait.is_zero() => {
            at_a_quiet_moment(now, exercise.patience, Reason::KeepAlive, activity)
        }
        Plan::Sleep { wait, .. } if exercise.wait < wait => {
            Plan::Sleep { wait: exercise.wait, until: Until::KeepAlive }
        }
        plan => plan,
    }
}

/// Refreshes once no session has been active for a minute, or once `patience` is over: a session that uses the old access token
/// between the server's rotation and our write would spend the old refresh token (measured: the family is revoked).
fn at_a_quiet_moment(now: Now, patience: Duration, reason: Reason, activity: &dyn Fn() -> Activity) -> Plan {
    if patience.is_zero() {
        return Plan::Refresh(reason);
    }
    let quiet_in = activity().last().map_or(Duration::ZERO, |at| QUIET.saturating_sub(now.elapsed_since(at)));
    wait_or(quiet_in.min(patience), Until::Quiet, reason)
}
