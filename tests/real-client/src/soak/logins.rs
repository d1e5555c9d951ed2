//! The person's logins: those that were drawn, which leave an entry with little time, and those that a lost grant makes necessary.

use super::plan::SERVERS;
use super::store::{self, Held};
use super::verdict::Loss;
use super::{World, now_us};
use crate::Fallible;
use scripted_server::TokenState;
use std::time::Duration;

/// How often the person looks.
const EVERY: Duration = Duration::from_millis(250);
/// The store may hold a spent token while an answer is on its way, and a stub until it is healed, but no longer than that.
const PATIENCE: Duration = Duration::from_secs(15);
/// What a login brings that was necessary.
const LOGIN_LIFETIME: Duration = Duration::from_secs(3600);

/// What the person did.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// Entries that were replaced by one with little left.
    pub(super) seeded: usize,
    /// Every login: the grant, when, and what its first access token had left.
    pub(super) made: Vec<(String, u64, Duration)>,
    /// Logins after which the store held an older grant again: somebody wrote what they had read before.
    pub(super) undone: usize,
    pub(super) losses: Vec<Loss>,
}

/// What the person does about one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// What was drawn.
    Seed,
    /// The grant is lost; if something was drawn for now, that replaces it.
    LogInAgain {
        seed: bool,
    },
}

/// A grant whose fate is open is not replaced: that would hide a loss.
fn decide(bad_for: Option<Duration>, is_seed_due: bool) -> Step {
    match bad_for {
        None if is_seed_due => Step::Seed,
        Some(bad_for) if bad_for >= PATIENCE => Step::LogInAgain { seed: is_seed_due },
        None | Some(_) => Step::Nothing,
    }
}

/// One server as the person sees it.
#[derive(Clone, Debug, Default)]
struct View {
    seeded: usize,
    /// The grant of the last login.
    login: String,
    /// Whether the store has held an older one since.
    undone: bool,
    /// The grant that was last seen to work.
    client_id: String,
    bad_since: Option<Duration>,
    bad_since_us: u64,
}

/// The person, until the run is over and every grant's fate is known.
pub(super) struct User {
    views: Vec<View>,
    logins: Logins,
}

impl User {
    /// Logs in everywhere.
    pub(super) async fn begin(world: &World) -> Fallible<Self> {
        let mut person = Self { views: vec![View::default(); SERVERS.len()], logins: Logins::default() };
        for server in 0..SERVERS.len() {
            person.seed(world, server).await?;
        }
        Ok(person)
    }

    pub(super) async fn live(mut self, world: &World) -> Fallible<Logins> {
        loop {
            tokio::time::sleep(EVERY).await;
            let held = store::held(&world.person);
            for server in 0..SERVERS.len() {
                let held = held.as_ref().and_then(|held| held.get(server));
                self.look(world, server, held);
                self.act(world, server).await?;
            }
            if world.is_over()
                && world.busy.get() == 0
                && self.views.iter().all(|view| view.bad_since.is_none())
            {
                return Ok(self.logins);
            }
        }
    }

    fn look(&mut self, world: &World, server: usize, held: Option<&Held>) {
        let (Some(view), Some(site)) = (self.views.get_mut(server), world.servers.get(server)) else {
            return;
        };
        let state = held.map(|held| site.state_of(&held.refresh_token));
        if let (Some(TokenState::Current), Some(held)) = (state, held) {
            // Of what comes later this may not be the client any more: some clients register anew after a refusal.
            view.client_id.clone_from(&held.client_id);
            view.bad_since = None;
            if held.client_id != view.login && !view.undone {
                view.undone = true;
                self.logins.undone += 1;
            }
        } else if view.bad_since.is_none() {
            view.bad_since = Some(world.elapsed());
            view.bad_since_us = now_us();
        }
    }

    async fn act(&mut self, world: &World, server: usize) -> Fallible<()> {
        let (Some(view), Some(seeds)) = (self.views.get(server), world.plan.seeds.get(server)) else {
            return Ok(());
        };
        let now = world.elapsed();
        let is_seed_due = !world.is_over() && seeds.get(view.seeded).is_some_and(|seed| seed.at <= now);
        let bad_for = view.bad_since.map(|since| now.saturating_sub(since));
        match decide(bad_for, is_seed_due) {
            Step::Nothing => Ok(()),
            Step::Seed => self.seed(world, server).await,
            Step::LogInAgain { seed } => {
                self.lose(server);
                if seed {
                    self.seed(world, server).await
                } else {
                    self.log_in(world, server, LOGIN_LIFETIME).await
                }
            }
        }
    }

    async fn seed(&mut self, world: &World, server: usize) -> Fallible<()> {
        let next = self.views.get(server).map_or(0, |view| view.seeded);
        let seed =
            world.plan.seeds.get(server).and_then(|seeds| seeds.get(next)).ok_or("no seed was drawn")?;
        self.log_in(world, server, seed.left).await?;
        self.logins.seeded += 1;
        if let Some(view) = self.views.get_mut(server) {
            view.seeded += 1;
        }
        Ok(())
    }

    async fn log_in(&mut self, world: &World, server: usize, left: Duration) -> Fallible<()> {
        let (Some(view), Some(site), Some(name)) =
            (self.views.get_mut(server), world.servers.get(server), SERVERS.get(server))
        else {
            return Ok(());
        };
        let grant = site.grant(left);
        store::log_in(&world.person, name, &grant).await?;
        self.logins.made.push((grant.client_id.clone(), now_us(), left));
        view.login.clone_from(&grant.client_id);
        view.undone = false;
        view.client_id = grant.client_id;
        view.bad_since = None;
        Ok(())
    }

    fn lose(&mut self, server: usize) {
        let (Some(view), Some(name)) = (self.views.get(server), SERVERS.get(server)) else { return };
        self.logins.losses.push(Loss {
            server: (*name).to_owned(),
            client_id: view.client_id.clone(),
            since_us: view.bad_since_us,
            until_us: now_us(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_grant_is_replaced_when_that_was_drawn() {
        assert_eq!(decide(None, true), Step::Seed);
        assert_eq!(decide(None, false), Step::Nothing);
    }

    #[test]
    fn a_grant_whose_fate_is_open_is_never_replaced() {
        let bad = Some(PATIENCE - Duration::from_millis(1));
        assert_eq!(decide(bad, true), Step::Nothing);
        assert_eq!(decide(bad, false), Step::Nothing);
    }

    #[test]
    fn a_lost_grant_is_counted_before_it_is_replaced() {
        assert_eq!(decide(Some(PATIENCE), true), Step::LogInAgain { seed: true });
        assert_eq!(decide(Some(PATIENCE), false), Step::LogInAgain { seed: false });
    }
}
