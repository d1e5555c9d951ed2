//! Scenarios with the real Claude Code client: what the agent promises, seen from the client's side.
//!
//! Every scenario has a person with a home of their own, a scripted authorization and MCP server, the real client, and somebody who keeps
//! the tokens fresh: the agent under test, or, to prove that the scenario can fail, nobody at all or a naive refresher. It runs on the
//! loopback interface alone; `run.sh` takes care of that.
#![allow(clippy::print_stdout, reason = "a program for people whose output is its purpose")]

mod messages;
mod naive_refresher;
mod parity;
mod plain_http;
mod refresher;
mod report;
mod resources;
mod scenarios;
mod session;
mod soak;
mod traffic;
mod user;

use clap::Parser;
use harness::Fallible;
use refresher::Choice;
use report::Report;
use scenarios::{Bench, SCENARIOS};
use soak::Soak;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use user::Machine;

/// Runs scenarios with the real Claude Code client.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which scenarios, or words from the names of which cases; without any: all of them
    scenarios: Vec<String>,
    /// The real client's binary
    #[arg(long, value_name = "PATH")]
    client: Option<PathBuf>,
    /// The agent's binary
    #[arg(long, value_name = "PATH", conflicts_with_all = ["nobody", "naive"])]
    agent: Option<PathBuf>,
    /// Without an agent: each scenario passes if it fails that way
    #[arg(long, conflicts_with = "naive")]
    nobody: bool,
    /// With a naive agent instead of the real one: each scenario passes if it fails that way
    #[arg(long)]
    naive: bool,
    /// How long `both_act` goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    both_act: u64,
    /// Instead of the scenarios: each case once with the client alone and once with the agent alone
    #[arg(long, conflicts_with_all = ["soak", "nobody", "naive"])]
    parity: bool,
    /// Instead of the scenarios: clients that start and are killed at random for so long
    #[arg(long, value_name = "SECONDS", conflicts_with = "scenarios")]
    soak: Option<u64>,
    /// What the soak is drawn from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// A client of the soak, several times; without any: the one of --client
    #[arg(long, value_name = "VERSION=PATH", value_parser = version_at)]
    soak_client: Vec<soak::Client>,
    /// An older client, for the scenarios in which it takes part; several times
    #[arg(long, value_name = "VERSION=PATH", value_parser = version_at)]
    old_client: Vec<soak::Client>,
    /// How often those that count losses are tried, each time with other persons
    #[arg(long, value_name = "N", default_value_t = 2)]
    times: usize,
    /// How many scenarios run side by side
    #[arg(long, value_name = "N", default_value_t = 3)]
    at_once: usize,
    /// Names the scenarios and does nothing else
    #[arg(long)]
    list: bool,
    /// Opens a page as a browser does that consents to everything, and does nothing else
    #[arg(long, value_name = "URL")]
    browse: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list && arguments.parity {
        for case in parity::all() {
            println!("{}", case.name);
        }
        return ExitCode::SUCCESS;
    }
    if arguments.list {
        for scenario in SCENARIOS {
            println!("{:32}{}", scenario.name, scenario.shows);
        }
        return ExitCode::SUCCESS;
    }
    let done = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Into::into);
    match done.and_then(|runtime| LocalSet::new().block_on(&runtime, run(arguments))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Fallible<bool> {
    if let Some(url) = &arguments.browse {
        return plain_http::browse(url).await.map(|()| true);
    }
    let refresher = match (&arguments.agent, arguments.naive, arguments.nobody) {
        (Some(program), _, _) => {
            Choice::Agent(program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?)
        }
        (None, true, _) => Choice::NaiveRefresher,
        (None, false, true) => Choice::Nobody,
        (None, false, false) => {
            return Err("who keeps the tokens fresh? --agent PATH, --nobody or --naive".into());
        }
    };
    let client = arguments.client.clone().ok_or("where is the client? --client PATH")?;
    let machine = Machine { client, messages: messages::serve().await? };
    if arguments.parity {
        return run_parity(&arguments, &machine, &refresher).await;
    }
    if let Some(seconds) = arguments.soak {
        return run_soak(seconds, arguments, &machine, &refresher).await;
    }
    let bench = Rc::new(Bench {
        machine,
        refresher,
        both_act: Duration::from_secs(arguments.both_act),
        times: arguments.times,
        old_clients: arguments.old_client.iter().map(|(_, path)| path.clone()).collect(),
    });

    let mut chosen = Vec::new();
    for name in &arguments.scenarios {
        let known = SCENARIOS.iter().find(|scenario| scenario.name == name);
        chosen.push(known.ok_or_else(|| format!("there is no scenario {name}; --list names them all"))?);
    }
    if chosen.is_empty() {
        chosen.extend(SCENARIOS.iter().filter(|scenario| scenario.can_show(&bench.refresher)));
    }

    let began = Instant::now();
    let memory = resources::watch();
    let permits = Rc::new(Semaphore::new(arguments.at_once.max(1)));
    let mut running = JoinSet::new();
    for scenario in chosen {
        let (bench, permits) = (Rc::clone(&bench), Rc::clone(&permits));
        running.spawn_local(async move {
            let _permit = permits.acquire().await;
            let began = Instant::now();
            let found = (scenario.run)(Rc::clone(&bench)).await;
            print(scenario.name, &bench.refresher, found, began.elapsed())
        });
    }
    let (mut passed, mut failed) = (0, 0);
    while let Some(outcome) = running.join_next().await {
        if outcome? { passed += 1 } else { failed += 1 }
    }
    println!(
        "{passed} passed, {failed} failed, in {} s; most memory at once {} MB",
        began.elapsed().as_secs(),
        memory.peak_mb()
    );
    Ok(failed == 0)
}

fn version_at(text: &str) -> Result<soak::Client, String> {
    let (version, path) = text.split_once('=').ok_or("VERSION=PATH is wanted")?;
    Ok((version.to_owned(), PathBuf::from(path)))
}

async fn run_parity(arguments: &Arguments, machine: &Machine, refresher: &Choice) -> Fallible<bool> {
    let Choice::Agent(program) = refresher else { return Err("parity with whom? --agent PATH".into()) };
    let wanted = |case: &parity::Case| {
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|words| case.name.contains(words))
    };
    let cases: Vec<_> = parity::all().into_iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err("no case has these words in its name; --parity --list names them all".into());
    }
    let whole = cases.len() == 1;
    // A case starts one client at a time, a scenario up to five.
    parity::run(cases, machine, program.clone(), 2 * arguments.at_once, whole).await
}

async fn run_soak(
    seconds: u64,
    arguments: Arguments,
    machine: &Machine,
    refresher: &Choice,
) -> Fallible<bool> {
    let began = Instant::now();
    let memory = resources::watch();
    let mut clients = arguments.soak_client;
    if clients.is_empty() {
        clients.push(("the client".to_owned(), machine.client.clone()));
    }
    let soak = Soak { length: Duration::from_secs(seconds), seed: arguments.seed, clients };
    let found = soak.run(machine, refresher).await;
    let passed = print("soak", refresher, found, began.elapsed());
    println!("most memory at once {} MB", memory.peak_mb());
    Ok(passed)
}

/// One line for a scenario, and more only if it failed. Says whether it passed.
fn print(name: &str, refresher: &Choice, found: Fallible<Report>, took: Duration) -> bool {
    let took = took.as_secs_f64();
    let is_agent = matches!(refresher, Choice::Agent(_));
    let who = (!is_agent).then(|| refresher.describe());
    match (found, who) {
        (Ok(report), None) if report.unmet().is_empty() => println!("ok {name}: {report} ({took:.0} s)"),
        (Ok(report), Some(who)) if !report.unmet().is_empty() => {
            println!(
                "ok {name} fails {who}, as it must: {} | {report} ({took:.0} s)",
                report.unmet().join("; ")
            );
        }
        (Ok(report), None) => {
            println!("FAILED {name}: {} | {report} ({took:.0} s)", report.unmet().join("; "));
            return false;
        }
        (Ok(report), Some(who)) => {
            println!("FAILED {name}: passes {who}, so it shows nothing | {report} ({took:.0} s)");
            return false;
        }
        (Err(error), _) => {
            println!("FAILED {name}: {error} ({took:.0} s)");
            return false;
        }
    }
    true
}

/// Waits until the condition holds, looking again every few milliseconds; says whether it did in time.
async fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}
