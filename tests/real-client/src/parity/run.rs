//! All cases, some side by side.

use super::case::{Agent, Case};
use super::verdict::{Side, judge};
use super::{agent, client};
use crate::Fallible;
use crate::person::Machine;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The agent is waited for so long where it must end fresh: nobody waits for a program in the background as for a command, so that its
/// first pause may be a minute.
const PATIENCE: Duration = Duration::from_secs(70);
/// And so long where it need not.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);
/// A cell of the table is cut here, unless one case alone was asked for.
const CELL: usize = 150;

/// Runs these cases, prints the table, and says whether it is one of parity.
pub(crate) async fn run(
    cases: Vec<Case>,
    machine: &Machine,
    program: PathBuf,
    at_once: usize,
    whole: bool,
) -> Fallible<bool> {
    let began = Instant::now();
    let permits = Rc::new(Semaphore::new(at_once.max(1)));
    let program = Rc::new(program);
    let mut running = JoinSet::new();
    let number = cases.len();
    for case in cases {
        let (machine, program, permits) = (machine.clone(), Rc::clone(&program), Rc::clone(&permits));
        running.spawn_local(async move {
            let _permit = permits.acquire().await;
            (case, both(&case, &machine, &program).await)
        });
    }
    println!("case | client | agent | requests client/agent");
    let mut failed = Vec::new();
    while let Some(done) = running.join_next().await {
        let (case, sides) = done?;
        let wrong = match sides {
            Ok((client, agent)) => {
                let wrong = judge(&case, &client, &agent);
                println!("{}", row(&case, &client, &agent, &wrong, whole));
                if whole {
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

/// The client first: what it does decides how long the agent is waited for.
async fn both(case: &Case, machine: &Machine, program: &Path) -> Fallible<(Side, Side)> {
    let client = client::run(machine, &(case.prepare)()?).await?;
    let demanded = match case.agent {
        Agent::AsClient | Agent::Says(_) => client.fresh,
        Agent::Fresh => true,
        Agent::Refuses(_) => false,
    };
    let patience = if demanded { PATIENCE } else { SHORT_PATIENCE };
    let agent = agent::run(machine, program, &(case.prepare)()?, patience).await?;
    Ok((client, agent))
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
