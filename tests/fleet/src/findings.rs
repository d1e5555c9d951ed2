//! What the server saw, and what the agents have.

use crate::agent::Agent;
use crate::faults::Faults;
use crate::{Fallible, Options};
use scripted_server::{Entry, Kind, Outcome, Server};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Findings {
    refreshes: usize,
    faults: usize,
    presented_twice: usize,
    reuses: usize,
    revoked: usize,
    /// Servers about which agents disagree.
    disagreeing: Vec<String>,
    /// Grants whose answer was lost with the agent that was killed while it waited.
    lost_with_answer: Vec<String>,
    /// Grants that are lost without such a cause.
    lost: Vec<String>,
}

pub(crate) fn find(
    agents: &[Agent],
    names: &[String],
    clients: &BTreeMap<String, String>,
    server: &Server,
    faults: &Faults,
) -> Fallible<Findings> {
    let mut found = Findings { faults: faults.total(), ..Findings::default() };
    found.disagreeing = disagreeing(agents, names)?;
    let last = last_presentations(&server.log(), clients);
    let first = agents.first().ok_or("no agents")?;
    for name in names {
        // The same by every agent, and no token is presented that may be used up.
        let Some(why) = first.why_not(name)? else { continue };
        let killed = last.get(name.as_str()).is_some_and(|moment| faults.killed_after(*moment));
        if killed && why.contains("did not record an answer") {
            found.lost_with_answer.push(name.clone());
        } else {
            found.lost.push(format!("{name}: {why}"));
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
        let Self { refreshes, faults, presented_twice, reuses, revoked, disagreeing, lost_with_answer, lost } =
            self;
        format!(
            "{refreshes} refreshes, {faults} faults: {presented_twice} tokens presented twice, {reuses} reuses, {revoked} families revoked; \
             {} grants lost with an answer that nobody received {lost_with_answer:?}, {} without cause {lost:?}; agents disagree about {disagreeing:?}",
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
