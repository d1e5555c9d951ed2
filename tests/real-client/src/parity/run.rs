//! All cases, some side by side.

use super::case::{Agent, Case};
use super::verdict::{Side, is_as_measured, judge};
use super::{agent, client};
use crate::Fallible;
use crate::user::Machine;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Agents that run side by side: they take next to nothing, and mostly wait.
const AGENTS: usize = 24;
/// A cell of the table is cut here, unless one case alone was asked for.
const CELL: usize = 150;

/// Runs these cases, `at_once` clients side by side, prints the table, and says whether it is one of parity.
///
/// `whole`: cells are not cut, and what each side asked the server for is shown, as it is of each case that fails.
pub(crate) async fn run(
    cases: Vec<Case>,
    machine: &Machine,
    program: PathBuf,
    at_once: usize,
    whole: bool,
) -> Fallible<bool> {
    let began = Instant::now();
    let bench = Rc::new(Bench {
        machine: machine.clone(),
        program,
        clients: Semaphore::new(at_once.max(1)),
        agents: Semaphore::new(AGENTS),
    });
    let mut running = JoinSet::new();
    let number = cases.len();
    for case in cases {
        let bench = Rc::clone(&bench);
        running.spawn_local(async move { (case, bench.both(&case).await) });
    }
    println!("case | client | agent | requests client/agent");
    let mut failed = Vec::new();
    while let Some(done) = running.join_next().await {
        let (case, sides) = done?;
        let wrong = match sides {
            Ok((client, agent)) => {
                let wrong = judge(&case, &client, &agent);
                println!("{}", row(&case, &client, &agent, &wrong, whole));
                if whole || !wrong.is_empty() {
                    println!("  client:\n{}  agent:\n{}", client.story, agent.story);
                }
                wrong
            }
            Err(error) => {
                println!("{} | {error}", case.name);
                vec![error.to_string()]
            }
        };
        if !wrong.is_empty() {
            failed.push(format!("{}: {}", case.name, wrong.join("; ")));
        }
    }
    failed.sort();
    for line in &failed {
        println!("FAILED {line}");
    }
    let took = began.elapsed().as_secs();
    println!("{} of {number} cases in parity, {} not, in {took} s", number - failed.len(), failed.len());
    Ok(failed.is_empty())
}

/// What all cases share.
struct Bench {
    machine: Machine,
    program: PathBuf,
    clients: Semaphore,
    agents: Semaphore,
}

impl Bench {
    /// The client first: what it does decides how long the agent is waited for.
    async fn both(&self, case: &Case) -> Fallible<(Side, Side)> {
        let client = {
            let _permit = self.clients.acquire().await?;
            let first = client::run(&self.machine, &(case.prepare)()?).await?;
            // It gives a server up after 30 s, whoever took them. One that has changed does so twice.
            if is_as_measured(case, &first) {
                first
            } else {
                client::run(&self.machine, &(case.prepare)()?).await?
            }
        };
        let demanded = match case.agent {
            Agent::AsClient | Agent::Says(_) => client.fresh,
            Agent::Fresh => true,
            Agent::Refuses(_) => false,
        };
        let _permit = self.agents.acquire().await?;
        let agent = agent::run(&self.machine, &self.program, &(case.prepare)()?, demanded).await?;
        Ok((client, agent))
    }
}

fn row(case: &Case, client: &Side, agent: &Side, wrong: &[String], whole: bool) -> String {
    let cell = |side: &Side| {
        let lost = if side.lost { " (login lost)" } else { "" };
        let words = if side.words.is_empty() { "says nothing" } else { &side.words };
        let words = words.replace('\n', " ");
        let cut = if whole { words } else { words.chars().take(CELL).collect() };
        format!("{cut}{lost}")
    };
    let verdict = if wrong.is_empty() { String::new() } else { format!(" | FAILED: {}", wrong.join("; ")) };
    format!(
        "{} | {} | {} | {}/{}{verdict}",
        case.name,
        cell(client),
        cell(agent),
        client.requests,
        agent.requests
    )
}
