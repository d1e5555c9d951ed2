//! What dies, pauses or is cut off.

use crate::Fallible;
use crate::agent::Agent;
use crate::etcd::Etcd;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, SystemTime};

pub(crate) struct Faults {
    agents: Arc<Vec<Agent>>,
    etcd: Arc<Vec<Etcd>>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    /// When agents were killed, in microseconds since the epoch.
    kills: Mutex<Vec<u64>>,
    /// One fault of each agent, and one of etcd, at a time.
    busy: Vec<Arc<Mutex<()>>>,
    of_etcd: Arc<Mutex<()>>,
}

impl Faults {
    pub(crate) fn new(agents: Arc<Vec<Agent>>, etcd: Arc<Vec<Etcd>>) -> Self {
        let busy = agents.iter().map(|_| Arc::default()).collect();
        Self {
            agents,
            etcd,
            counts: Mutex::default(),
            kills: Mutex::default(),
            busy,
            of_etcd: Arc::default(),
        }
    }

    /// Begins one fault, which ends by itself.
    pub(crate) fn one<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        let number = fastrand::usize(..self.agents.len());
        let lasts = Duration::from_millis(fastrand::u64(200..9000));
        let kind = fastrand::u32(..6);
        let member = fastrand::usize(..self.etcd.len());
        scope.spawn(move || {
            if kind < 3 {
                let _one = locked(self.busy.get(number).unwrap_or(&self.of_etcd));
                if let Some(agent) = self.agents.get(number) {
                    self.of_agent(kind, agent, lasts);
                }
                // What an agent that was stopped has received it can keep before the next fault.
                thread::sleep(Duration::from_millis(1500));
            } else {
                let _one = locked(&self.of_etcd);
                if let Some(member) = self.etcd.get(member) {
                    self.of_member(kind, member, lasts / 3);
                }
            }
        });
    }

    fn of_agent(&self, kind: u32, agent: &Agent, lasts: Duration) {
        match kind {
            0 => {
                self.count("agents killed");
                agent.kill();
                locked(&self.kills).push(now_us());
                thread::sleep(lasts / 20);
                let _ = agent.start();
            }
            1 => {
                self.count("agents stopped and continued");
                agent.signal(Signal::STOP);
                thread::sleep(lasts);
                agent.signal(Signal::CONT);
            }
            _ => {
                self.count("agents cut off from etcd");
                agent.cut(true);
                thread::sleep(lasts);
                agent.cut(false);
            }
        }
    }

    fn of_member(&self, kind: u32, member: &Etcd, lasts: Duration) {
        match kind {
            3 => {
                self.count("members of etcd killed");
                member.kill();
                thread::sleep(lasts);
                let _ = member.restart();
            }
            4 => {
                self.count("members of etcd stopped and continued");
                member.signal(Signal::STOP);
                thread::sleep(lasts);
                member.signal(Signal::CONT);
            }
            _ => {
                self.count("members of etcd cut off");
                member.cable("down");
                thread::sleep(lasts);
                member.cable("up");
            }
        }
        // The next one only when there is a majority again.
        thread::sleep(Duration::from_millis(1500));
    }

    fn count(&self, what: &'static str) {
        *locked(&self.counts).entry(what).or_default() += 1;
    }

    pub(crate) fn counted(&self) -> String {
        let counts = locked(&self.counts);
        counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn total(&self) -> usize {
        locked(&self.counts).values().sum()
    }

    /// How long after this moment the next agent was killed; it may have been noted a little late.
    pub(crate) fn next_kill_after(&self, moment_us: u64) -> Option<Duration> {
        let kills = locked(&self.kills);
        let next = kills.iter().filter(|kill| **kill + 50_000 >= moment_us).min()?;
        Some(Duration::from_micros(next.saturating_sub(moment_us)))
    }

    /// Returns when every agent answers again.
    pub(crate) fn heal(&self) -> Fallible<()> {
        thread::sleep(Duration::from_secs(12));
        for agent in self.agents.iter() {
            agent
                .fingerprints()
                .map_err(|error| format!("agent {} does not answer: {error}", agent.number))?;
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
