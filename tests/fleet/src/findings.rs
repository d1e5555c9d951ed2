//! What the server saw, and what the agents have.

use crate::agent::Agent;
use crate::faults::Faults;
use crate::{Fallible, Options};
use scripted_server::{Entry, Kind, Outcome, Server, Site, TokenState};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// An answer may take so long from the server's decision until the agent has kept it: the machine is busy.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// The lock of an agent that was killed goes stale after a minute without a heartbeat.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Default)]
pub(crate) struct Findings {
    refreshes: usize,
    faults: usize,
    presented_twice: usize,
    reuses: usize,
    revoked: usize,
    /// Servers about which agents disagree.
    disagreeing: Vec<String>,
    /// Grants whose agent was killed between intent and request: their tokens are good, and wait.
    not_sent: Vec<String>,
    /// Grants whose answer was lost with the agent that was killed while it waited.
    lost_with_answer: Vec<String>,
    /// Grants that are lost without such a cause.
    lost: Vec<String>,
}

pub(crate) fn find(
    agents: &[Agent],
    names: &[String],
    clients: &BTreeMap<String, String>,
    site: &Site,
    server: &Server,
    faults: &Faults,
) -> Fallible<Findings> {
    let mut found = Findings { faults: faults.total(), ..Findings::default() };
    found.disagreeing = disagreeing(agents, names)?;
    let last = last_presentations(&server.log(), clients);
    let first = agents.first().ok_or("no agents")?;
    for name in names {
        let Some(why) = settled(first, name)? else { continue };
        let next_kill = last.get(name.as_str()).and_then(|moment| faults.next_kill_after(*moment));
        let is_open = why.contains("did not record an answer");
        match site.state_of(&first.refresh_token(name)?) {
            TokenState::Current if is_open => found.not_sent.push(name.clone()),
            TokenState::Spent if is_open && next_kill.is_some_and(|time| time < ON_ITS_WAY) => {
                found.lost_with_answer.push(name.clone());
            }
            state => found.lost.push(format!("{name}: {state:?}, next kill {next_kill:?}, {why}")),
        }
    }
    let log = server.log();
    found.refreshes = log.iter().filter(|entry| entry.outcome == Outcome::Fresh).count();
    found.reuses =
        log.iter().filter(|entry| matches!(entry.outcome, Outcome::Reuse | Outcome::Replayed)).count();
    found.revoked = server.families_revoked();
    let mut presented: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.kind == Kind::Token) {
        *presented.entry(entry.field("refresh_token").unwrap_or_default()).or_default() += 1;
    }
    found.presented_twice = presented.values().filter(|times| **times > 1).count();
    Ok(found)
}

fn passes(why: &str) -> bool {
    ["already being refreshed", "is held by another process"].iter().any(|reason| why.contains(reason))
}

/// Why it cannot be refreshed, once nothing runs for it by itself.
pub(crate) fn settled(agent: &Agent, name: &str) -> Fallible<Option<String>> {
    let until = Instant::now() + PATIENCE;
    loop {
        match agent.why_not(name)? {
            Some(why) if passes(&why) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(200));
            }
            other => return Ok(other),
        }
    }
}

/// Servers of which not all agents have the same refresh token in the end.
fn disagreeing(agents: &[Agent], names: &[String]) -> Fallible<Vec<String>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut tokens: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for agent in agents {
            for (name, token) in agent.fingerprints()? {
                tokens.entry(name).or_default().push(token);
            }
        }
        let differ =
            |all: &Vec<String>| all.len() != agents.len() || all.iter().any(|one| Some(one) != all.first());
        let mut different: Vec<_> =
            names.iter().filter(|name| tokens.get(*name).is_none_or(differ)).cloned().collect();
        if different.is_empty() || Instant::now() > until {
            different.truncate(10);
            return Ok(different);
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// When each server's refresh token was presented last.
fn last_presentations<'c>(log: &[Entry], clients: &'c BTreeMap<String, String>) -> BTreeMap<&'c str, u64> {
    let mut last = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.kind == Kind::Token) {
        if let Some(name) = entry.field("client_id").and_then(|client| clients.get(client)) {
            last.insert(name.as_str(), entry.decided_us.unwrap_or(entry.received_us));
        }
    }
    last
}

impl Findings {
    pub(crate) fn shown(&self) -> String {
        let Self {
            refreshes,
            faults,
            presented_twice,
            reuses,
            revoked,
            disagreeing,
            not_sent,
            lost_with_answer,
            lost,
        } = self;
        format!(
            "{refreshes} refreshes, {faults} faults: {presented_twice} tokens presented twice, {reuses} reuses, {revoked} families revoked; \
             {} grants wait because their agent was killed before the request, {} lost with an answer that nobody received {lost_with_answer:?}, {} without cause {lost:?}; agents disagree about {disagreeing:?}",
            not_sent.len(),
            lost_with_answer.len(),
            lost.len()
        )
    }

    pub(crate) fn is_well(&self, options: &Options) -> bool {
        self.refreshes >= options.refreshes
            && self.faults >= options.faults
            && self.presented_twice == 0
            && self.reuses == 0
            && self.revoked == 0
            && self.disagreeing.is_empty()
            && self.lost.is_empty()
    }
}
