//! What to do with one entry now: a pure function of the clocks, the entry, what is remembered of it, and the policy.

use crate::decide::judge::passes_by_itself;
use crate::decide::policy::{
    CLIENT_WINDOW, GRACE_USED, KEEP_ALIVE_PATIENCE, LONGEST_GRACE, MARGIN_FLOOR, NEW_LOGIN_REST, PACE, QUIET,
    RESTING_KEEP_ALIVE, RESTING_LOOK, SHORT_LIFE, SHORT_LIVED_ACTIVE, SHORT_LIVED_KEEP_ALIVE,
    SHORT_LIVED_LEFT, SHORT_LIVED_LOOK, SHORT_LIVED_RESUMED, SUSPECT_RECHECK, UNKNOWN_EXPIRY_KEEP_ALIVE,
    with_jitter,
};
use crate::records::outcome::Outcome;
use crate::{Activity, Freshness, Now, Policy, Record, Seen, Verdict};
use jiff::SignedDuration;
use std::time::Duration;

/// A refused refresh is tried this often before a person is asked.
const REFUSED_TRIES: u32 = 3;
/// A refusal that passes by itself, for some four hours.
const PASSING_TRIES: u32 = 20;
/// A server that answers that it failed is asked this often, for about an hour, before a person learns of it.
const FAILING_TRIES: u32 = 15;
/// Where nobody knows when the access token ends, a suspect is asked about again after this.
const SUSPECT_RECHECK_UNKNOWN: Duration = Duration::from_secs(60 * 60);

/// What to do with one entry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing until then.
    Sleep {
        /// How long, by whichever clock gets there first.
        wait: Duration,
        /// What is waited for.
        until: Until,
    },
    /// Refresh it.
    Refresh(Reason),
    /// Only a person can mend it.
    NeedsPerson(Need),
    /// Not ours to touch.
    Ignore(Ignored),
}

/// What a sleeping entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its margin to begin.
    Margin,
    /// Its sessions to be quiet for a minute.
    Quiet,
    /// The pause after a failure to end.
    Retry,
    /// The second look at a refusal.
    Recheck,
    /// The last try after an answer was lost.
    AmbiguousHold,
    /// Its refresh token to need exercise.
    KeepAlive,
    /// Somebody to use it: nobody is expected now.
    Use,
    /// The end of an access token that cannot be refreshed.
    Expiry,
}

/// Why an entry is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is inside its margin.
    Due,
    /// It has expired.
    Expired,
    /// Its tokens live for minutes and a session uses them.
    ShortLived,
    /// Its refresh token must not lapse.
    KeepAlive,
    /// A refusal is looked at once more.
    Recheck,
    /// The daemon died while it waited for the answer.
    CutOff,
    /// An answer was lost or left open what became of the token, and time is running out.
    AfterAmbiguous,
    /// Somebody asked for it.
    Forced,
    /// A failed refresh of somebody else wiped the entry.
    Heal,
    /// Somebody else and the daemon exchanged the same refresh token.
    Contested,
}

impl Reason {
    /// In words, for the log and the history.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Expired => "expired",
            Self::ShortLived => "short-lived and in use",
            Self::KeepAlive => "keep-alive",
            Self::Recheck => "second look at a refusal",
            Self::CutOff => "asked again after a crash",
            Self::AfterAmbiguous => "again, after an answer that left it open",
            Self::Forced => "asked for",
            Self::Heal => "healing a wiped entry",
            Self::Contested => "two programs refreshed it at once",
        }
    }
}

/// Why only a person can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The entry holds no tokens: never logged in, logged out, or wiped by a failed refresh.
    Stub,
    /// The server gave no refresh token, and the access token is about to end.
    NoRefreshToken,
    /// The grant is dead.
    Dead {
        /// What the server said.
        code: String,
    },
    /// The server no longer knows the client registration.
    ClientDead {
        /// What the server said.
        code: String,
    },
    /// The server keeps refusing without saying why the token would be dead.
    Refused {
        /// What the server said.
        code: String,
    },
    /// The server answers that it failed, again and again, and the access token has ended.
    ServerFails {
        /// What it says.
        why: String,
    },
    /// The store holds a refresh token that was already exchanged, and nobody holds its successor.
    Spent,
    /// The server now names another place for its tokens.
    EndpointMoved {
        /// Where this grant's refresh token went so far.
        from: String,
        /// Where the server wants it now.
        to: String,
    },
    /// No token endpoint that may be used.
    NoEndpoint {
        /// Why.
        why: String,
    },
    /// The entry names no server.
    NoServerUrl,
}

impl Need {
    /// Whether a person who was told of the other one learns nothing new: a server that fails does so in many words.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::ServerFails { .. }, Self::ServerFails { .. })) || self == other
    }
}

/// Why an entry is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The configuration says so.
    Configured,
    /// It has no refresh token, and nobody knows when its access token ends.
    NothingToDo,
}

/// What to do with one entry now. `activity` tells when sessions of this store were at work; it costs a look at the disk,
/// so it is asked only where the answer matters.
#[must_use]
pub fn plan(
    now: Now,
    seen: &Seen,
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
    match standing_need(seen, record, left) {
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
pub(crate) fn standing(now: Now, seen: &Seen, record: &Record, policy: &Policy) -> Option<Need> {
    if seen.refresh.is_some() && record.verdict.is_open() {
        return None;
    }
    match plan(now, seen, record, &Activity::default, policy) {
        Plan::NeedsPerson(need) => Some(need),
        Plan::Refresh(Reason::Recheck | Reason::AfterAmbiguous) => {
            standing_need(seen, record, seen.left(now, record))
        }
        _ => None,
    }
}

/// How much longer the refresh token is not presented, whoever asks: it may be spent, so that presenting it once more may end the login, and
/// the access token with it, which is still good.
pub(crate) fn held(now: Now, seen: &Seen, record: &Record) -> Duration {
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
pub fn plan_forced(seen: &Seen, record: &Record, policy: &Policy) -> Plan {
    if policy.ignores(&seen.entry.server_name) {
        return Plan::Ignore(Ignored::Configured);
    }
    if seen.refresh.is_none() {
        let need = if seen.entry.is_stub() { Need::Stub } else { Need::NoRefreshToken };
        return Plan::NeedsPerson(need);
    }
    match standing_need(seen, record, None) {
        // Without it nothing can be sent, and a spent token would take its successor with it.
        Some(need @ (Need::NoServerUrl | Need::Spent)) => Plan::NeedsPerson(need),
        // Asking again is exactly what the person wants. A refusal consumed nothing, and a token that was called dead has no more to lose.
        _ => Plan::Refresh(Reason::Forced),
    }
}

fn plan_without_refresh_token(
    seen: &Seen,
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

/// What keeps this refresh token from being presented until a person did something. Holds invariant I1: a token that is
/// known to be spent or dead is never presented.
fn standing_need(seen: &Seen, record: &Record, left: Option<SignedDuration>) -> Option<Need> {
    if seen.entry.server_url.is_none() {
        return Some(Need::NoServerUrl);
    }
    if seen.refresh.is_some_and(|refresh| record.is_spent(refresh)) {
        return Some(Need::Spent);
    }
    match record.verdict.clone() {
        // Whoever looks is told what the server says; nobody is called before it has said so for the last time.
        Verdict::Dead { code } | Verdict::Suspect { code, looks: 1.., .. } => Some(Need::Dead { code }),
        Verdict::ClientDead { code } => Some(Need::ClientDead { code }),
        Verdict::Refused { code, tries }
            if tries >= if passes_by_itself(&code) { PASSING_TRIES } else { REFUSED_TRIES } =>
        {
            Some(Need::Refused { code })
        }
        Verdict::Ambiguous { why, .. }
            if record.server_failures >= FAILING_TRIES
                && left.is_some_and(|left| left <= SignedDuration::ZERO) =>
        {
            Some(Need::ServerFails { why })
        }
        Verdict::EndpointMoved { from, to } => Some(Need::EndpointMoved { from, to }),
        Verdict::NoEndpoint { why } => Some(Need::NoEndpoint { why }),
        _ => None,
    }
}

/// An entry that nothing speaks against: when is it due, and is this the moment?
fn plan_healthy(
    now: Now,
    seen: &Seen,
    record: &Record,
    left: Option<SignedDuration>,
    activity: &dyn Fn() -> Activity,
    policy: &Policy,
) -> Plan {
    let name = &seen.entry.server_name;
    let keep_alive = policy.keep_alive_of(name);
    // Nobody is asked who is expected while the token is good for long.
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
            // The client's own window is what a new login is refreshed for at the latest.
            let new_login = rest_of_a_new_login(now, record).min(until(left, SUSPECT_RECHECK));
            let wait = if short_lived { Duration::ZERO } else { until(left, margin).max(new_login) };
            if !wait.is_zero() {
                return earlier(Plan::Sleep { wait, until: Until::Margin }, exercise, now, activity);
            }
            let rest = resting(life.filter(|_| record.lifetime_answered));
            if !rest.is_zero() {
                let exercise = exercise_due(now, record, Some(left), keep_alive.min(RESTING_KEEP_ALIVE));
                // What comes first, the keep-alive or the usual time, is no matter to whoever comes before both.
                return match earlier(plan_resting(now, left, rest, activity), exercise, now, activity) {
                    Plan::Sleep { wait, .. } => Plan::Sleep { wait, until: Until::Use },
                    planned => planned,
                };
            }
            match life {
                Some(life) if short_lived => plan_short_lived(now, record, left, life, activity),
                _ if left <= SignedDuration::ZERO => return Plan::Refresh(Reason::Expired),
                // The floor, not the margin, is where waiting for a quiet moment ends.
                _ => at_a_quiet_moment(now, until(left, MARGIN_FLOOR), Reason::Due, activity),
            }
        }
    };
    earlier(access_token, exercise, now, activity)
}

/// Nobody is expected for `rest`: the access token may end. While it has not, whoever comes finds it good and changes nothing in the store; and a
/// session that goes on after a break of hours changes nothing that is watched: only a look shows either. At other times a session's first
/// file tells, or the client's own refresh.
fn plan_resting(now: Now, left: SignedDuration, rest: Duration, activity: &dyn Fn() -> Activity) -> Plan {
    let quiet_for = activity().last().map_or(Duration::MAX, |at| now.elapsed_since(at));
    let looks = left > SignedDuration::ZERO || quiet_for < SHORT_LIVED_RESUMED;
    let wait = if looks { rest.min(RESTING_LOOK) } else { rest };
    Plan::Sleep { wait, until: Until::Use }
}

/// How long a pair that another program wrote is still too young to be refreshed without need.
fn rest_of_a_new_login(now: Now, record: &Record) -> Duration {
    record.landed_at.map_or(Duration::ZERO, |at| NEW_LOGIN_REST.saturating_sub(now.age_of(at)))
}

/// Lives under 10 minutes: no margin stays above the client's window, so that each use refreshes it all the same. In use: when a quarter of the life
/// is left, or a minute where that is no more than half, and not more often than every 10 s. Not in use: rarely, since every rotation is a risk.
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
        // A session that goes on after a break changes nothing that is watched; only a look shows it.
        return Plan::Sleep { wait: keep_alive.min(SHORT_LIVED_LOOK), until: Until::KeepAlive };
    }
    wait_or(keep_alive, Until::KeepAlive, Reason::KeepAlive)
}

/// When the refresh token itself wants to be used, whatever the access token says.
struct Exercise {
    /// How long until then.
    wait: Duration,
    /// How much longer it may wait for a quiet moment then.
    patience: Duration,
}

/// Unused for the keep-alive time, or at 75 % of the life that the server gave the refresh token.
fn exercise_due(now: Now, record: &Record, left: Option<SignedDuration>, keep_alive: Duration) -> Exercise {
    let since = record.since.unwrap_or(now.wall);
    let idle = if left.is_none() { keep_alive.min(UNKNOWN_EXPIRY_KEEP_ALIVE) } else { keep_alive };
    let life = record
        .refresh_token_expires_at
        .map(|lapses| Duration::try_from(lapses.duration_since(since)).unwrap_or(Duration::ZERO));
    let limit = life.map_or(idle, |life| idle.min(life / 4 * 3));
    // Not for longer than half of what is left of the refresh token then.
    let at_last =
        limit.saturating_add(KEEP_ALIVE_PATIENCE).min(life.map_or(Duration::MAX, |life| life / 8 * 7));
    let unused = match record.boot_age(now) {
        Some(age) if since > now.wall => age,
        _ => now.age_of(since),
    };
    Exercise { wait: limit.saturating_sub(unused), patience: at_last.saturating_sub(unused) }
}

/// The access token's plan, unless the refresh token wants to be used before.
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

fn wait_or(wait: Duration, until: Until, reason: Reason) -> Plan {
    if wait.is_zero() { Plan::Refresh(reason) } else { Plan::Sleep { wait, until } }
}

/// How long until only `mark` of `left` remains; zero when that is past.
fn until(left: SignedDuration, mark: Duration) -> Duration {
    let mark = SignedDuration::try_from(mark).unwrap_or(SignedDuration::MAX);
    Duration::try_from(left.saturating_sub(mark)).unwrap_or(Duration::ZERO)
}

/// However short a server says that its tokens live: after a refresh that went well the next one waits. Not that of a login that came since.
fn pace(now: Now, record: &Record) -> Duration {
    let went_well = record.last.as_ref().is_some_and(|last| last.outcome == Outcome::Fresh);
    let sent_at = record.sent_at.filter(|_| went_well && record.since == record.sent_at);
    sent_at.map_or(Duration::ZERO, |at| PACE.saturating_sub(now.age_of(at)))
}

/// Time since this refresh token was last presented, or first seen.
fn since_last_request(now: Now, record: &Record) -> Duration {
    record.sent_at.max(record.since).map_or(Duration::MAX, |at| now.age_of(at))
}

#[cfg(test)]
mod tests;
