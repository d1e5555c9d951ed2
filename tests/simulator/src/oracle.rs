//! Decides for each lost grant whether any program could have kept it.

use crate::entry::{document, entry};
use crate::fault_schedule::{HOUR, MINUTE};
use crate::grant::{Actor, End, Entitled, Grant, Passage};
use crate::kind::Rotation;
use crate::server::{PATIENCE, parts};
use crate::world::World;

/// The one cause without a counterpart in a life without the daemon: there is no daemon to kill.
const DAEMON_KILLED: &str = "the daemon was killed while the answer was on its way";

/// Nothing reports a client's lost answer: the daemon gets to the entry in its turn, at the latest after its longest pause and the
/// minute of an orphaned lock.
const BY_ANOTHER: u64 = 6 * MINUTE;

/// The cause that grows with the number of requests.
pub(crate) const ON_THE_WIRE: &str = "the answer was lost on the wire";

/// How a grant was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loss {
    cause: &'static str,
    excused: bool,
}

const fn excused(cause: &'static str) -> Loss {
    Loss { cause, excused: true }
}

const fn avoidable(cause: &'static str) -> Loss {
    Loss { cause, excused: false }
}

/// The user has to log in: records the loss of the old grant, and complains if the daemon should have prevented it.
pub(crate) fn judge(world: &World, server: usize) {
    if world.logged_out.borrow()[server] {
        return;
    }
    let loss = {
        let grants = world.servers[server].grants.borrow();
        let Some(grant) = grants.last() else { return };
        loss(world, server, grant)
    };
    world.tally(server, |tally| {
        tally.logins += 1;
        tally.avoidable += u64::from(!loss.excused);
        tally.by_kills_of_the_daemon += u64::from(loss.cause == DAEMON_KILLED);
        *tally.causes.entry(loss.cause).or_default() += 1;
        if !loss.excused {
            *tally.avoidable_causes.entry(loss.cause).or_default() += 1;
        }
    });
    world.say(&format_args!("LOST s{server}: {}", loss.cause));
    if !loss.excused && world.with_daemon {
        let grants = world.servers[server].grants.borrow();
        let last = grants.last();
        let end = last.and_then(|grant| grant.end);
        let rotations: Vec<_> =
            last.into_iter().flat_map(|grant| grant.rotations.iter().rev().take(3)).collect();
        world.failure(format_args!(
            "s{server}: lost: {}: {end:?} {rotations:?} {:?}",
            loss.cause, world.servers[server].kind
        ));
    }
}

fn loss(world: &World, server: usize, grant: &Grant) -> Loss {
    if grant.end == Some(End::Revoked) {
        return excused("revoked by the server");
    }
    if grant.cut_away {
        return excused("a client's unsynced write was lost in a power cut");
    }
    // Where nobody got hold of the newest token, what became of the grant afterwards does not matter.
    if let Some(newest) = grant.newest() {
        match (newest.passage, newest.by) {
            (Passage::Withheld, Actor::Daemon) => {
                // What the login sent would have been taken.
                let scope = world.servers[server].kind.refuses.is_some_and(|refuses| refuses.scope);
                return Loss {
                    cause: "the daemon spent the token on a request that the server refused",
                    excused: scope,
                };
            }
            (Passage::Withheld, Actor::Client { entitled }) => {
                let cause = "a client spent the token on a request that the server refused";
                let scope = world.servers[server].kind.refuses.is_some_and(|refuses| refuses.scope);
                return if scope { excused(cause) } else { by_client(world, entitled, cause) };
            }
            (Passage::Lost { at }, by) => {
                let asks = at + if by == Actor::Daemon { 0 } else { BY_ANOTHER };
                return unless_in_time(world, server, grant, asks, excused(ON_THE_WIRE));
            }
            (Passage::OnItsWay, Actor::Daemon) => {
                let near = |killed: &u64| killed.abs_diff(newest.at) <= PATIENCE;
                let alone = world.daemon_killed.borrow().iter().any(near);
                let cause =
                    if alone { DAEMON_KILLED } else { "the power went while the answer was on its way" };
                return unless_in_time(world, server, grant, newest.at, excused(cause));
            }
            (Passage::OnItsWay, Actor::Client { entitled }) => {
                let loss = by_client(world, entitled, "a client was killed in mid-refresh");
                return unless_in_time(world, server, grant, newest.at + BY_ANOTHER, loss);
            }
            (Passage::Delivered, Actor::Daemon) if newest.cut_short => {
                return excused("the power went before the answer was durable");
            }
            (Passage::Delivered, Actor::Client { entitled }) if !newest.saved => {
                return by_client(world, entitled, "a client did not save what it got");
            }
            (Passage::Delivered, _) => {}
        }
    }
    if let Some(End::Lapsed { from, at }) = grant.end {
        // Kept alive once a day at the latest.
        let lifetime = world.servers[server].kind.lifetime.max(24 * HOUR);
        return if world.had_opportunity(server, from + lifetime, at) {
            avoidable("lapsed though it could have been used")
        } else {
            excused("lapsed while the machine was off or the server away")
        };
    }
    if world.given_up.borrow()[server] && grant.end.is_none() {
        return excused("a log-in was begun and given up");
    }
    if grant.refused {
        return excused("the server refuses what clients send");
    }
    if world.servers[server].kind.rotation == Rotation::None {
        return avoidable("the entry was destroyed");
    }
    match (grant.end, grant.newest().map(|newest| newest.by)) {
        (Some(End::Reused { by: Actor::Daemon, at, .. }), Some(Actor::Client { entitled }))
            if grant.newest().is_some_and(|newest| at - newest.at < PATIENCE) =>
        {
            by_client(world, entitled, "a client refreshed without the lock at the same moment")
        }
        // The client's document was overwritten by another client's before the daemon saw the pair in it.
        (Some(End::Reused { by: Actor::Daemon, at, .. }), Some(Actor::Client { entitled }))
            if grant.newest().is_some_and(|newest| (newest.at..at).contains(&world.put_back_at.get())) =>
        {
            by_client(world, entitled, "a client's pair was lost")
        }
        (Some(End::Reused { by: Actor::Daemon, .. }), _) => avoidable("the daemon presented a spent token"),
        (Some(End::Reused { by: Actor::Client { entitled }, .. }), _) => {
            by_client(world, entitled, "a client presented a spent token")
        }
        (_, Some(Actor::Client { entitled })) => by_client(world, entitled, "a client's pair was lost"),
        (_, Some(Actor::Daemon)) => avoidable("the daemon's pair was lost"),
        (_, None) => avoidable("the pair of the log-in was lost"),
    }
}

/// A lost answer: excused only if the server's grace period, which starts with the rotation, was over before any program could have
/// asked again and been answered.
fn unless_in_time(world: &World, server: usize, grant: &Grant, from: u64, loss: Loss) -> Loss {
    let Rotation::Replaces { grace, .. } = world.servers[server].kind.rotation else { return loss };
    let over = grant.unheard_since().unwrap_or(0) + grace;
    if world.was_in_order(server, from, over) { Loss { excused: false, ..loss } } else { loss }
}

/// A loss caused by a client: excused if the daemon could not have been faster.
fn by_client(world: &World, entitled: Option<Entitled>, cause: &'static str) -> Loss {
    match entitled {
        Some(_) if world.with_daemon => Loss { cause, excused: true },
        _ => Loss { cause, excused: false },
    }
}

/// Before a power cut: which answers are not in the store yet, and what the store holds.
pub(crate) fn before_power_cut(world: &World) -> Vec<Option<String>> {
    let document = document(world);
    let held: Vec<Option<String>> =
        (0..world.servers.len()).map(|server| entry(document.as_ref()?, server)?.refresh).collect();
    for (here, held) in world.servers.iter().zip(&held) {
        let mut grants = here.grants.borrow_mut();
        let number = grants.len().wrapping_sub(1);
        let Some(grant) = grants.last_mut() else { continue };
        let generation = held.as_ref().and_then(|held| parts(held));
        let newest = u64::from(grant.generation);
        if generation.is_none_or(|(of, generation, _)| of != number || generation != newest)
            && let Some(rotation) = grant.rotations.back_mut()
        {
            rotation.cut_short = true;
        }
    }
    held
}

/// After it: what the store no longer holds, if the last writer was a client that had not synced.
pub(crate) fn after_power_cut(world: &World, held: &[Option<String>], clients_write: bool) {
    if !clients_write {
        return;
    }
    let document = document(world);
    for (server, held) in held.iter().enumerate() {
        let holds = document.as_ref().and_then(|document| entry(document, server)?.refresh);
        if holds != *held
            && let Some(grant) = world.servers[server].grants.borrow_mut().last_mut()
        {
            grant.cut_away = true;
        }
    }
}
