//! An authorization server, and the wire to it.

use crate::daemon::Daemon;
use crate::entry::login_resource;
use crate::fault_schedule::{FaultSchedule, Odd, SECOND, Weather};
use crate::grant::{Actor, End, Grant, Passage};
use crate::kind::{Kind, Rotation, Shape};
use crate::world::World;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// How long a caller waits for an answer (measured; the daemon's limit is the same).
pub(crate) const PATIENCE: u64 = 30 * SECOND;

pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) schedule: FaultSchedule,
    /// Which of the world's servers it is: no two of them give the same token.
    pub(crate) number: Cell<usize>,
    /// The grants, newest last; older ones cannot come back.
    pub(crate) grants: RefCell<Vec<Grant>>,
    /// What the next request meets, whatever the weather.
    pub(crate) next: Cell<Option<Weather>>,
}

/// What comes back from the token endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Fresh(Pair),
    Dead,
    /// The request's shape, with this error.
    Refused(&'static str),
    Busy {
        status: u16,
        retry_after: Option<u64>,
    },
    BadGateway,
    Lost,
    TimedOut,
    Unsent,
    Odd {
        status: u16,
        body: String,
    },
}

/// Tokens as they are given out.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    /// Seconds.
    pub(crate) expires_in: Option<u64>,
    pub(crate) refresh_expires_in: Option<u64>,
    grant: usize,
    generation: u32,
}

impl Server {
    pub(crate) fn new(seed: u64, number: u64, years: u64) -> Self {
        Self::of(Kind::of(seed, number), FaultSchedule::of(seed, number, years))
    }

    pub(crate) fn of(kind: Kind, schedule: FaultSchedule) -> Self {
        Self { kind, schedule, number: Cell::default(), grants: RefCell::default(), next: Cell::default() }
    }

    /// A person logs in: a new grant.
    pub(crate) fn login(&self, at: u64) -> Pair {
        let mut grants = self.grants.borrow_mut();
        if let Some(before) = grants.last_mut()
            && self.kind.login_revokes
        {
            before.end = before.end.or(Some(End::Revoked));
        }
        grants.push(Grant::new(at));
        let number = grants.len() - 1;
        self.pair(number, &mut grants[number], at)
    }

    /// Whether the MCP server takes this access token now.
    pub(crate) fn accepts(&self, access: &str, at: u64) -> bool {
        let Some((grant, access, issued)) = parts(access) else { return false };
        let mut grants = self.grants.borrow_mut();
        let Some(known) = grants.get_mut(grant) else { return false };
        self.let_time_pass(known, at);
        let dead = matches!(known.end, Some(End::Revoked | End::Reused { .. }));
        !dead
            && at < issued + self.kind.lifetime
            && (!self.kind.kills_access || u64::from(known.access) == access)
    }

    /// Whether this refresh token would be exchanged now.
    pub(crate) fn is_good(&self, refresh: &str, at: u64) -> bool {
        let Some((grant, generation, _)) = parts(refresh) else { return false };
        let mut grants = self.grants.borrow_mut();
        let Some(known) = grants.get_mut(grant) else { return false };
        self.let_time_pass(known, at);
        known.end.is_none() && u64::from(known.generation) == generation
    }

    fn let_time_pass(&self, grant: &mut Grant, at: u64) {
        if grant.end.is_some() {
            return;
        }
        if self.schedule.revoked(grant.given, at) {
            grant.end = Some(End::Revoked);
        } else if let Some(idle) = self.kind.idle
            && at >= grant.used + idle
        {
            grant.end = Some(End::Lapsed { from: grant.used, at: grant.used + idle });
        }
    }

    /// What the server does with a refresh request.
    fn process(&self, world: &World, number: usize, by: Actor, presented: &str, shape: &Shape) -> Reply {
        let at = world.now();
        let Some((grant, generation, _)) = parts(presented) else { return Reply::Dead };
        let mut grants = self.grants.borrow_mut();
        let Some(known) = grants.get_mut(grant) else { return Reply::Dead };
        self.let_time_pass(known, at);
        if known.end.is_some() {
            return Reply::Dead;
        }
        let refuses = self.kind.refuses;
        let refused = refuses.and_then(|refuses| refuses.code(shape, &login_resource(number)));
        known.refused |= refused.is_some();
        if let Some(code) = refused
            && !refuses.is_some_and(|refuses| refuses.spends)
        {
            return Reply::Refused(code);
        }
        if let Rotation::Replaces { grace, revokes } = self.kind.rotation {
            let generation = u32::try_from(generation).unwrap_or(u32::MAX);
            if generation != known.generation && at >= known.spent_at(generation) + grace {
                if revokes {
                    known.end = Some(End::Reused { by, generation, at });
                    world.tally(number, |tally| tally.revocations += 1);
                }
                return Reply::Dead;
            }
            known.rotate(at, by);
        }
        known.used = at;
        if let Some(code) = refused {
            if let Some(rotation) = known.rotations.back_mut() {
                rotation.passage = Passage::Withheld;
            }
            return Reply::Refused(code);
        }
        Reply::Fresh(self.pair(grant, known, at))
    }

    fn pair(&self, number: usize, grant: &mut Grant, at: u64) -> Pair {
        grant.access += 1;
        let generation = grant.generation;
        Pair {
            access: format!("at.{number}.{}.{at}.s{}.made.up", grant.access, self.number.get()),
            refresh: (self.kind.rotation != Rotation::None || generation == 0 && grant.access == 1)
                .then(|| format!("rt.{number}.{generation}.0.s{}.made.up", self.number.get())),
            expires_in: self.kind.names_lifetime.then_some(self.kind.lifetime / SECOND),
            refresh_expires_in: self.kind.idle.filter(|_| self.kind.names_idle).map(|idle| idle / SECOND),
            grant: number,
            generation,
        }
    }

    /// A client has written this pair into the store.
    pub(crate) fn saved(&self, pair: &Pair) {
        if let Some(grant) = self.grants.borrow_mut().get_mut(pair.grant)
            && let Some(rotation) = grant.rotation_mut(pair.generation)
        {
            rotation.saved = true;
        }
    }

    fn passed(&self, pair: &Pair, passage: Passage) {
        if let Some(grant) = self.grants.borrow_mut().get_mut(pair.grant)
            && let Some(rotation) = grant.rotation_mut(pair.generation)
        {
            rotation.passage = passage;
        }
    }
}

/// A token's numbers: its grant, its generation or number, and when it was issued.
pub(crate) fn parts(token: &str) -> Option<(usize, u64, u64)> {
    let mut parts = token.split('.').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A request on the wire: it arrives even if the process that sent it is killed.
struct Flight<'a> {
    world: &'a World,
    server: usize,
    by: Actor,
    presented: &'a str,
    shape: &'a Shape,
    arrived: Cell<bool>,
}

impl Flight<'_> {
    fn arrive(&self) -> Reply {
        self.arrived.set(true);
        self.world.servers[self.server].process(self.world, self.server, self.by, self.presented, self.shape)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.arrived.get() {
            let _ = self.arrive();
        }
    }
}

/// One refresh request, sent once: what the wire, the weather and the server make of it.
pub(crate) async fn exchange(
    world: &Rc<World>,
    server: usize,
    by: Actor,
    presented: &str,
    shape: &Shape,
) -> Reply {
    let number = world.log.begin(by, presented, world.now());
    let reply = carry(world, server, by, presented, shape).await;
    // An answer that comes to a process that was just killed is heard by nobody.
    let heard = by != Actor::Daemon || world.daemon.borrow().as_ref().is_some_and(Daemon::is_alive);
    if heard {
        world.log.end(number, &reply, world.servers[server].kind.rotation != Rotation::None, world.now());
    }
    reply
}

async fn carry(world: &Rc<World>, server: usize, by: Actor, presented: &str, shape: &Shape) -> Reply {
    let pause = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
    if !world.online() {
        pause(20).await;
        return Reply::Unsent;
    }
    let here = &world.servers[server];
    let weather = here.next.take().or_else(|| here.schedule.weather(world.now()));
    if weather == Some(Weather::Unreachable) {
        pause(here.kind.latency).await;
        world.tally(server, |tally| tally.faults += 1);
        return Reply::Unsent;
    }
    world.tally(server, |tally| {
        match by {
            Actor::Daemon => tally.daemon_requests += 1,
            Actor::Client { .. } => tally.client_requests += 1,
        }
        tally.faults += u64::from(weather.is_some());
    });
    match weather {
        Some(Weather::Busy { status, retry_after }) => {
            pause(here.kind.latency).await;
            return Reply::Busy { status, retry_after };
        }
        Some(Weather::Hangs) => {
            pause(PATIENCE).await;
            return Reply::TimedOut;
        }
        Some(Weather::LosesRequests) => {
            pause(here.kind.latency).await;
            return Reply::Lost;
        }
        Some(Weather::Odd(odd)) if !odd.acts() => {
            let _wire = world.watch.request(by == Actor::Daemon);
            if by == Actor::Daemon {
                world.daemon_requested.notify_waiters();
            }
            pause(here.kind.latency).await;
            return odd_answer(odd, None);
        }
        _ => {}
    }
    let link = world.link();
    let _wire = world.watch.request(by == Actor::Daemon);
    world.requested[server].notify_waiters();
    if by == Actor::Daemon {
        world.daemon_requested.notify_waiters();
    }
    let flight = Flight { world, server, by, presented, shape, arrived: Cell::new(false) };
    pause(here.kind.latency / 2).await;
    if world.link() != link {
        flight.arrived.set(true);
        world.tally(server, |tally| tally.faults += 1);
        return Reply::Lost;
    }
    let reply = flight.arrive();
    let rest = match weather {
        Some(Weather::Slow(time)) => time,
        _ => here.kind.latency - here.kind.latency / 2,
    };
    pause(rest.min(PATIENCE)).await;
    let Reply::Fresh(pair) = &reply else {
        return if world.link() == link && rest < PATIENCE { reply } else { Reply::Lost };
    };
    let end = match weather {
        _ if rest >= PATIENCE => Some(Reply::TimedOut),
        Some(Weather::LosesAnswers) => Some(Reply::Lost),
        Some(Weather::BadGateway) => Some(Reply::BadGateway),
        Some(Weather::Odd(odd)) => Some(odd_answer(odd, Some(pair))),
        _ if world.link() != link => {
            world.tally(server, |tally| tally.faults += 1);
            Some(Reply::Lost)
        }
        _ => None,
    };
    let whole = match &end {
        None => true,
        Some(Reply::Fresh(told)) => told.refresh == pair.refresh,
        Some(_) => false,
    };
    here.passed(pair, if whole { Passage::Delivered } else { Passage::Lost { at: world.now() } });
    end.unwrap_or(reply)
}

/// What comes back instead of the answer.
fn odd_answer(odd: Odd, pair: Option<&Pair>) -> Reply {
    let page = "<!DOCTYPE html><html><body>Log in to this network</body></html>";
    let access = pair.map_or("", |pair| pair.access.as_str());
    match (odd, pair) {
        (Odd::NoRefreshToken, Some(pair)) => Reply::Fresh(Pair { refresh: None, ..pair.clone() }),
        (Odd::NoLifetime, Some(pair)) => Reply::Fresh(Pair { expires_in: None, ..pair.clone() }),
        (Odd::Status { status, .. }, _) => {
            Reply::Odd { status, body: r#"{"error":"temporarily_unavailable"}"#.to_owned() }
        }
        (Odd::Page { .. }, _) => Reply::Odd { status: 200, body: page.to_owned() },
        (Odd::Half, _) => Reply::Odd { status: 200, body: format!(r#"{{"access_token":"{access}","tok"#) },
        (Odd::Garbage { .. } | Odd::NoRefreshToken | Odd::NoLifetime, _) => {
            Reply::Odd { status: 200, body: "all is well".to_owned() }
        }
    }
}
