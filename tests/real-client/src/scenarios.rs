//! The scenarios by name, the long ones first so that the short ones run beside them.

mod copies;
mod helper;
mod locks;
mod login;
mod menu;
mod owned;
mod owned_old;
mod quiet;
mod removal;
mod repair;
mod resting;
mod revocation;
mod session;
mod storm;
mod vanishing;

use crate::Fallible;
use crate::refresher::{Choice, Refresher};
use crate::report::Report;
use crate::until;
use crate::user::{Machine, Pair, User};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

/// What every scenario gets.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) refresher: Choice,
    pub(crate) both_act: Duration,
    /// How often those that count losses are tried.
    pub(crate) times: usize,
    /// Older versions of the client.
    pub(crate) old_clients: Vec<PathBuf>,
}

type Running = Pin<Box<dyn Future<Output = Fallible<Report>>>>;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) shows: &'static str,
    pub(crate) run: fn(Rc<Bench>) -> Running,
    /// In which way it must be able to fail.
    fails: Fails,
}

/// Without whom a scenario fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// It fails when nobody keeps the tokens fresh, and with a naive agent, too.
    Both,
    /// It fails when nobody does; a naive agent would do.
    WithNobody,
    /// Nobody does no harm here: it is about what the agent must not do.
    WithCareless,
    /// It is about how the agent ends and what it says: nobody else has anything to say or to end.
    WithOtherAgents,
}

impl Scenario {
    /// Whether a run with this one proves anything: a scenario that cannot fail that way says nothing.
    pub(crate) fn can_show(&self, refresher: &Choice) -> bool {
        match refresher {
            Choice::Agent(_) => true,
            Choice::Nobody => matches!(self.fails, Fails::Both | Fails::WithNobody),
            Choice::NaiveRefresher => matches!(self.fails, Fails::Both | Fails::WithCareless),
        }
    }
}

macro_rules! scenario {
    ($module:ident :: $name:ident, $fails:ident, $shows:literal) => {
        Scenario {
            name: stringify!($name),
            shows: $shows,
            run: |bench| Box::pin($module::$name(bench)),
            fails: Fails::$fails,
        }
    };
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(
        locks::both_act,
        WithCareless,
        "clients and agent on 20 s tokens: no reuse by the agent, no grant lost through it"
    ),
    scenario!(
        quiet::quiet_moment,
        Both,
        "a busy session is not disturbed, though the refresh is due; a quiet one is served"
    ),
    scenario!(
        quiet::at_seven_minutes_it_acts,
        Both,
        "with 7 min left the agent waits no longer; the window is one fsync"
    ),
    scenario!(
        storm::storm_six_minutes_left,
        WithNobody,
        "five sessions at once on a token that had 6 min left"
    ),
    scenario!(storm::storm_expired, WithNobody, "five sessions at once on a token that had expired"),
    scenario!(
        storm::storm_slow_endpoint_six_minutes,
        WithNobody,
        "the same, 6 min left, while the token endpoint takes 9 s"
    ),
    scenario!(
        storm::storm_slow_endpoint_expired,
        Both,
        "the same, expired, while the token endpoint takes 5 s"
    ),
    scenario!(
        helper::helper_storm_expired,
        WithNobody,
        "five sessions whose headersHelper is the agent's, at once on an expired token"
    ),
    scenario!(helper::helper_storm_slow_endpoint, WithNobody, "the same while the token endpoint takes 9 s"),
    scenario!(
        helper::helper_sessions_killed,
        WithNobody,
        "the same beside ten sessions that are killed while they start: five connect, nothing is lost"
    ),
    scenario!(
        helper::helper_over_three_rotations,
        WithNobody,
        "a session with the helper over three rotations by a server that kills the old token: 401, helper, goes on"
    ),
    scenario!(
        helper::helper_token_refused,
        WithNobody,
        "a token that the server forgot long before its end: the helper's second run brings another, once"
    ),
    scenario!(
        owned::owned_storm_expired,
        WithOtherAgents,
        "five sessions at once on the expired token of an owned server, a sixth killed at its start; then it is given back"
    ),
    scenario!(
        owned::owned_under_a_session,
        WithOtherAgents,
        "a server is owned while a session uses it: no request by the client, the next session connects"
    ),
    scenario!(
        owned::owned_while_a_client_refreshes,
        WithOtherAgents,
        "a server is owned while a client's refresh without a lock is on the wire: the new pair ends in the vault"
    ),
    scenario!(
        owned_old::owned_beside_old_clients,
        WithOtherAgents,
        "sessions of old and new clients at once on the expired tokens of two owned servers, some killed: all connect, none asks for a token"
    ),
    scenario!(
        owned_old::owned_over_a_rotation,
        WithOtherAgents,
        "the same clients go on, or come back, when the server kills the old token of an owned server at a rotation"
    ),
    scenario!(
        session::running_session_goes_on,
        WithNobody,
        "a tool call, a refresh, a tool call: no 401, no restart"
    ),
    scenario!(
        repair::needs_auth_flag,
        Both,
        "a flagged server that was repaired is used by the next session"
    ),
    scenario!(repair::wipe_is_healed, Both, "what a client wiped after a refusal comes back"),
    scenario!(
        locks::client_holds_the_lock,
        WithCareless,
        "while the client refreshes, the agent waits and adopts"
    ),
    scenario!(
        login::reauthenticate_by_request,
        WithCareless,
        "a person logs in anew from an editor beside a busy terminal: the new login stands"
    ),
    scenario!(
        login::reauthenticate_by_menu,
        WithCareless,
        "the same by /mcp, Re-authenticate, in a terminal of its own"
    ),
    scenario!(
        login::login_during_refresh,
        WithCareless,
        "claude mcp login while the agent's request is under way: the new login stands"
    ),
    scenario!(
        vanishing::auth_logout_during_refresh,
        WithOtherAgents,
        "claude auth logout while the agent's request is under way: all ends soon, the next login is not held up"
    ),
    scenario!(
        vanishing::end_after_vanishing,
        WithOtherAgents,
        "the store goes while the agent's request is under way: SIGTERM ends it soon after the answer"
    ),
    scenario!(
        revocation::login_that_revokes,
        WithCareless,
        "claude mcp login and Re-authenticate at a server with a revocation endpoint, also while the agent's request is under way"
    ),
    scenario!(
        resting::resting_is_woken,
        WithCareless,
        "a token that nobody has used for weeks has ended: whoever comes connects, with one request"
    ),
    scenario!(copies::copied_store, Both, "one login in two folders: one request, fresh in both"),
    scenario!(removal::logout_during_refresh, Both, "a logout in the middle of a refresh stays a logout"),
];

impl Bench {
    async fn person(&self, site: &scripted_server::Site) -> Fallible<Rc<User>> {
        Ok(Rc::new(User::with_server(&self.machine, site).await?))
    }

    fn start(&self, person: &Rc<User>) -> Fallible<Refresher> {
        Refresher::start(&self.refresher, person)
    }
}

/// Waits until the store holds another refresh token than this one; says whether it came to that.
async fn replaced(person: &User, refresh_token: &str, patience: Duration) -> Option<Pair> {
    let fresh = || person.pair().filter(|pair| pair.refresh_token != refresh_token);
    until(patience, || fresh().is_some()).await;
    fresh()
}

/// Notes whether the agent ended in order; a scenario without one has nothing to note.
async fn stop(refresher: Refresher, report: &mut Report) {
    if let Err(error) = refresher.stop().await {
        report.demand(&error.to_string(), false);
    }
}

/// A scenario that runs several times at once, each time for another person.
type Try = Pin<Box<dyn Future<Output = Fallible<Report>>>>;

/// Runs it as often as the command line says, all at once. Figures are those of each try, and how many were good.
async fn tries(bench: Rc<Bench>, once: fn(Rc<Bench>, usize) -> Try) -> Fallible<Report> {
    let mut running = JoinSet::new();
    for number in 0..bench.times {
        let once = once(Rc::clone(&bench), number);
        running.spawn_local(async move { (number, once.await) });
    }
    let mut all = Report::default();
    let mut good = 0;
    let mut ended = running.join_all().await;
    ended.sort_by_key(|(number, _)| *number);
    for (number, found) in ended {
        let found = found?;
        good += usize::from(found.unmet().is_empty());
        for unmet in found.unmet() {
            all.demand(&format!("{}: {unmet}", number + 1), false);
        }
        all.figure(&format!("[{}]", number + 1), found);
    }
    all.figure("good", format_args!("{good} of {}", bench.times));
    Ok(all)
}
