//! One transaction in a small world of its own.

use super::case::Case;
use super::fault_injector::FaultInjector;
use super::follow_up::{pause, start};
use super::verdict::{self, Ended, made};
use crate::daemon::{self, Daemon};
use crate::entry::{Entry, document, entry, fresh, key};
use crate::fault_schedule::{DAY, FaultSchedule, HOUR, MINUTE, SECOND};
use crate::grant::Actor;
use crate::log::Told;
use crate::server::{Server, parts};
use crate::world::{STATE, STORE, World};
use refresh_engine::Journal;
use std::path::Path;
use std::rc::Rc;

/// Once the fault is over the entry is fresh again within this time, and what the access token had left: a lost answer holds still until
/// seven minutes are left, and the longest pause after that is five minutes.
const FRESH_WITHIN: u64 = 17 * MINUTE;
/// A lost grant is watched for so long: it is not presented again and again.
const WATCHED: u64 = 16 * MINUTE;
/// The client refreshes what has less.
const WINDOW: i64 = 300_000;
/// Nothing lasts longer: a day of sleep, a clock that is wrong, and everything that comes after it.
const AT_MOST: u64 = 2 * DAY;

/// One transaction, lived.
pub(crate) struct Lived {
    /// Every fault of the case found its place.
    pub(crate) struck: bool,
    pub(crate) ended: Ended,
    pub(crate) requests: usize,
}

/// Lives it.
pub(crate) fn live(case: Case, verbose: bool) -> Lived {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can always be made");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let server = Server::of(case.kind, FaultSchedule::calm());
        let world = World::with(case.seed, vec![server], true, verbose);
        world.log.keep();
        let text = first_document(&world, &case);
        world.disk.borrow().put(STORE, &text);
        let injector = FaultInjector::new(Rc::clone(&world), case, text.into_bytes());
        let lived = run(&injector).await;
        daemon::kill(&world);
        world.watch.sabotage(None);
        lived
    })
}

/// A document as another hand may have formatted it, with a neighbour that is nobody's business.
fn first_document(world: &World, case: &Case) -> String {
    let wall = world.wall();
    let lifetime = i64::try_from(case.kind.lifetime).unwrap_or(0);
    let mut ours = fresh(0, &world.servers[0].login(0), wall);
    if let Some(ours) = ours.as_object_mut() {
        let expires_at =
            if case.kind.names_lifetime { wall + case.left } else { wall + case.left.min(lifetime) };
        ours.insert("expiresAt".into(), expires_at.into());
    }
    format!(
        "{{\n  \"claudeAiOauth\": {{\"accessToken\": \"sk-made-up\",  \"expiresAt\": 1e3}},\n  \"mcpOAuth\": {{\n    \
         \"n|00\": {{ \"serverName\": \"n\", \"serverUrl\": \"https://n.test/mcp\", \"accessToken\": \"at.n\\u002e1\", \
         \"expiresAt\": 9999999999999, \"more\": [1.10, {{}}] }},\n    \"{}\":  {ours}\n  }},\n  \"later\": [1.1, {{}}]\n}}\n",
        key(0)
    )
}

async fn run(injector: &Rc<FaultInjector>) -> Lived {
    let world = &injector.world;
    match Daemon::start(world).await {
        Some(daemon) => {
            let keeper = daemon.keeper();
            *world.daemon.borrow_mut() = Some(daemon);
            keeper.first_scan().await;
        }
        None => world.failure("the daemon did not start on a sound disk"),
    }
    injector.arm();
    let settled = until_settled(injector).await;
    injector.disarm();
    let requests = world.log.exchanges().len();
    if !injector.all_struck() {
        return Lived { struck: false, ended: Ended::AtOnce, requests };
    }
    daemon::stop(world).await;
    // What a fault kept from being tidied up is tidied up by the next daemon.
    if !verdict::left_behind(injector).is_empty() {
        pause(2 * MINUTE).await;
        start(world).await;
        pause(10 * SECOND).await;
        daemon::stop(world).await;
    }
    Lived { struck: true, ended: verdict::judge(injector, settled), requests }
}

/// How the world stands when there is nothing more to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Fresh,
    Removed,
    Lost,
    /// Neither, though everything has been in order for long enough.
    Never,
}

async fn until_settled(injector: &Rc<FaultInjector>) -> Settled {
    let world = &injector.world;
    let left = u64::try_from(injector.case.left).unwrap_or(0);
    let (mut limit, mut proving) = (left + FRESH_WITHIN, false);
    let mut step = injector.case.kind.latency + 40;
    loop {
        tokio::select! {
            biased;
            () = injector.news.notified() => step = 100,
            () = world.watch.strike.notified() => {
                if world.watch.wrote() {
                    world.folder_changed();
                }
                step = step.min(50);
            }
            () = pause(step) => step = (step * 3 / 2).min(20 * SECOND),
        }
        for follow_up in injector.follow_ups() {
            tokio::task::spawn_local(follow_up.run(Rc::clone(injector)));
        }
        let now = world.now();
        if now > AT_MOST + injector.over() {
            return Settled::Never;
        }
        let running = world.daemon.borrow().as_ref().map(|daemon| daemon.keeper().running());
        if injector.is_open() || running != Some(0) {
            continue;
        }
        let since = now.saturating_sub(injector.over());
        if is_fresh(world) {
            return Settled::Fresh;
        }
        if world.logged_out.borrow()[0] && since > 30 * SECOND {
            return Settled::Removed;
        }
        if is_lost(injector) {
            if since > left + WATCHED {
                return Settled::Lost;
            }
        } else if since > limit {
            if proving || !is_superseded(world) {
                return Settled::Never;
            }
            // When the other pair is due it proves good, or ours comes back.
            proving = true;
            limit += injector.case.kind.lifetime.max(12 * HOUR) + FRESH_WITHIN;
        }
    }
}

/// The entry is as a client wants it, and as the server knows it.
fn is_fresh(world: &World) -> bool {
    let Some(Entry { access, refresh: Some(refresh), expires_at }) =
        document(world).and_then(|document| entry(&document, 0))
    else {
        return false;
    };
    let (now, here) = (world.now(), &world.servers[0]);
    let issued = parts(&access).map_or(0, |(_, _, issued)| issued);
    // Where the server did not say how long the token lives, nobody knows that it is over.
    let lives = issued + here.kind.lifetime > now + WINDOW.unsigned_abs() && here.accepts(&access, now);
    (lives || expires_at.is_none())
        && here.is_good(&refresh, now)
        && expires_at.is_none_or(|at| at > world.wall() + WINDOW)
        && parts(&access).is_some_and(|(_, number, _)| number > 1)
}

/// Nobody has the newest refresh token, or it is worth nothing.
pub(crate) fn is_lost(injector: &FaultInjector) -> bool {
    let world = &injector.world;
    let here = &world.servers[0];
    let grants = here.grants.borrow();
    let Some(grant) = grants.last() else { return true };
    if grant.end.is_some() {
        return true;
    }
    let (Some(newest), crate::kind::Rotation::Replaces { grace, .. }) = (grant.newest(), here.kind.rotation)
    else {
        return false;
    };
    let log = world.log.exchanges();
    if newest.by != Actor::Daemon && !newest.saved {
        // A client's own answer, which it lost or could not save.
        return !injector.case.alone();
    }
    let Some((at, told)) =
        log.iter().rev().find(|exchanged| made(exchanged, newest)).and_then(|made| made.told)
    else {
        return world.now() > newest.at + grace;
    };
    match told {
        Told::Fresh => {
            let taken = injector.deaths.borrow().iter().any(|death| death.took_answer && death.at >= at);
            taken && world.now() > newest.at + grace
        }
        Told::Withheld => true,
        _ => world.now() > newest.at + grace,
    }
}

/// Another pair made ours superfluous, and ours is in the journal until that one has proved itself.
fn is_superseded(world: &World) -> bool {
    let open = Journal::peek(&*world.disk.borrow(), Path::new(STATE)).unwrap_or_default();
    open.iter().any(|open| open.superseded_by.is_some())
}
