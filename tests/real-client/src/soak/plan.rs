//! What will happen in a soak: drawn before it begins, from one seed, so that the run with the agent and the run without it live through
//! the same.

use super::seeded_rng::SeededRng;
use scripted_server::Answer;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The servers, by name.
pub(super) const SERVERS: [&str; 4] = ["north", "east", "south", "west"];
/// How many clients can be open at a time.
pub(super) const TERMINALS: usize = 6;
/// Claude Code refreshes what has less than that left.
pub(super) const CLIENT_WINDOW: Duration = Duration::from_secs(300);
/// A client that is killed is killed within that time of its start, in seconds: its own refresh would be over by then.
const KILLED_WITHIN: f64 = 4.0;

/// All that is drawn.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each server when its entry is replaced by one with little left, in order.
    pub(super) seeds: Vec<Vec<Seed>>,
    /// For each terminal what is started in it, in order.
    pub(super) terminals: Vec<Vec<Start>>,
    /// When the daemon is killed.
    pub(super) daemon_kills: Vec<Duration>,
    /// For each server how its refreshes are answered, one after the other.
    pub(super) answers: Vec<Vec<Answer>>,
}

/// An entry that has a short while left: a login long ago, a machine that slept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed {
    /// Since the beginning of the run.
    pub(super) at: Duration,
    /// What its access token has left then.
    pub(super) left: Duration,
}

/// Somebody starts a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Since the beginning of the run; later if the terminal is still busy.
    pub(super) at: Duration,
    /// Which of the versions.
    pub(super) version: usize,
    pub(super) action: Action,
    /// The client is killed so long after its start, if it still runs.
    pub(super) killed_after: Option<Duration>,
}

/// What people do with it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// `claude mcp list`: all servers at once.
    List,
    /// `claude mcp get`: one server.
    Get(usize),
    /// `claude -p`: all servers at once, then calls to the tools of one after the other.
    Session { calls: usize, every: Duration },
}

impl Plan {
    pub(super) fn draw(seed: u64, length: Duration, versions: usize) -> Self {
        let storms = storms(&mut SeededRng::of(seed, "storms"), length);
        let server = |what: &str, name: &str| SeededRng::of(seed, &format!("{what} of {name}"));
        let seeds: Vec<_> = SERVERS.iter().map(|name| seeds(&mut server("seeds", name), length)).collect();
        Self {
            terminals: (0..TERMINALS)
                .map(|number| {
                    starts(&mut SeededRng::of(seed, &format!("terminal {number}")), length, &storms, versions)
                })
                .collect(),
            daemon_kills: daemon_kills(&mut SeededRng::of(seed, "daemon"), length, &seeds),
            answers: SERVERS.iter().map(|name| answers(&mut server("answers", name), length)).collect(),
            seeds,
        }
    }

    /// Tells plans apart: two runs of one build that show the same number had the same plan.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        format!("{self:?}").hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// Moments up to `length`, with pauses between these, in seconds.
fn moments(rng: &mut SeededRng, length: Duration, from: f64, to: f64) -> Vec<Duration> {
    let mut moments = Vec::new();
    let mut at = rng.seconds(from, to);
    while at < length {
        moments.push(at);
        at += rng.seconds(from, to);
    }
    moments
}

/// From 310 s to 420 s, more often near 310: the sooner the client's window opens, the more often it does in an hour. A while after it
/// has opened the next one is due.
fn seeds(rng: &mut SeededRng, length: Duration) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut at = Duration::ZERO;
    while at < length {
        let left = Duration::from_secs_f64(310.0 + 110.0 * rng.fraction().powi(2));
        seeds.push(Seed { at, left });
        at += left - CLIENT_WINDOW + rng.seconds(10.0, 40.0);
    }
    seeds
}

/// One in three right after an entry was replaced, when a daemon is in the middle of its work; the others at any time.
fn daemon_kills(rng: &mut SeededRng, length: Duration, seeds: &[Vec<Seed>]) -> Vec<Duration> {
    let moment = |at: Duration, rng: &mut SeededRng| {
        let next = seeds.iter().flatten().map(|seed| seed.at).filter(|seed| *seed >= at).min();
        match (rng.chance(1.0 / 3.0), next) {
            (true, Some(next)) => next + rng.seconds(0.2, 3.0),
            _ => at,
        }
    };
    let mut kills: Vec<Duration> =
        moments(rng, length, 30.0, 150.0).into_iter().map(|at| moment(at, rng)).collect();
    kills.sort();
    kills
}

/// When a window manager restores all terminals at once.
fn storms(rng: &mut SeededRng, length: Duration) -> Vec<Duration> {
    moments(rng, length, 20.0, 40.0)
}

fn starts(rng: &mut SeededRng, length: Duration, storms: &[Duration], versions: usize) -> Vec<Start> {
    let alone = moments(rng, length, 3.0, 11.0);
    let mut times: Vec<Duration> = storms.iter().map(|storm| *storm + rng.seconds(0.0, 0.8)).collect();
    times.extend(alone);
    times.sort();
    times
        .into_iter()
        .map(|at| Start {
            at,
            version: rng.below(versions),
            action: action(rng),
            killed_after: rng.chance(0.2).then(|| rng.seconds(0.1, KILLED_WITHIN)),
        })
        .collect()
}

fn action(rng: &mut SeededRng) -> Action {
    match rng.fraction() {
        share if share < 0.4 => Action::List,
        share if share < 0.65 => Action::Get(rng.below(SERVERS.len())),
        _ => Action::Session { calls: 2 + rng.below(5), every: rng.seconds(0.5, 4.0) },
    }
}

/// Mostly some tenths of a second, sometimes seconds; the rotation is somewhere in the middle. No clients can ask for more than one a second.
fn answers(rng: &mut SeededRng, length: Duration) -> Vec<Answer> {
    (0..=length.as_secs())
        .map(|_| {
            let takes = if rng.chance(0.2) { rng.seconds(1.0, 5.0) } else { rng.seconds(0.05, 0.4) };
            let before = takes.mul_f64(rng.fraction());
            Answer::default().before(before).after(takes - before)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_seed_draws_one_plan_and_another_another() {
        let print = |seed| Plan::draw(seed, HOUR, 5).fingerprint();
        assert_eq!(print(7), print(7));
        assert_ne!(print(7), print(8));
    }

    #[test]
    fn every_entry_has_310_to_420_s_left_and_is_replaced_after_the_clients_window_has_opened() {
        for seed in 0..50 {
            for seeds in Plan::draw(seed, HOUR, 5).seeds {
                for pair in seeds.windows(2) {
                    let [this, next] = pair else { unreachable!() };
                    assert!((310..=420).contains(&this.left.as_secs()), "{this:?}");
                    assert!(next.at >= this.at + (this.left - CLIENT_WINDOW) + Duration::from_secs(10));
                }
                assert!(seeds.len() > 30, "an hour has {} dangerous moments", seeds.len());
            }
        }
    }

    #[test]
    fn terminals_start_every_version_and_every_action_in_order_of_time() {
        let mut sessions = 0;
        for starts in Plan::draw(1, HOUR, 5).terminals {
            assert!(starts.is_sorted_by_key(|start| start.at));
            assert!((0..5).all(|version| starts.iter().any(|start| start.version == version)));
            assert!((0..4).all(|server| {
                starts.iter().any(|start| matches!(start.action, Action::Get(which) if which == server))
            }));
            sessions += starts.iter().filter(|start| matches!(start.action, Action::Session { .. })).count();
            let killed = starts.iter().filter(|start| start.killed_after.is_some()).count();
            assert!((starts.len() / 8..starts.len() / 3).contains(&killed), "{killed} of {}", starts.len());
        }
        assert!(sessions > 300);
    }

    #[test]
    fn the_agent_is_killed_at_any_time_and_again_and_again_while_it_works() {
        let plan = Plan::draw(1, HOUR, 5);
        let is_after_a_seed = |kill: &&Duration| {
            let mut since = plan.seeds.iter().flatten().filter_map(|seed| kill.checked_sub(seed.at));
            since.any(|since| since <= Duration::from_secs(3))
        };
        let busy = plan.daemon_kills.iter().filter(is_after_a_seed).count();
        assert!(plan.daemon_kills.is_sorted() && plan.daemon_kills.len() > 30);
        assert!((8..25).contains(&busy), "{busy} of {}", plan.daemon_kills.len());
    }

    #[test]
    fn no_answer_takes_so_long_that_an_agent_that_acts_at_once_could_not_be_in_time() {
        for answer in Plan::draw(3, HOUR, 5).answers.concat() {
            assert!(answer.spends && answer.before + answer.after <= Duration::from_secs(5), "{answer:?}");
        }
    }
}
