//! Refreshes without end, by all agents at once.

use crate::agent::Agent;
use crate::faults::Faults;
use crate::{Fallible, Options};
use scripted_server::{Outcome, Server};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Callers of each agent.
const CALLERS: usize = 2;
/// Servers in one request.
const TOGETHER: usize = 3;

/// The first agent moves its vault's grants into the cluster; returns when all agents see them.
pub(crate) fn add_all(agents: &[Agent], names: &[String]) -> Fallible<()> {
    let first = agents.first().ok_or("no agents")?;
    for name in names {
        let request = json!({"request": "cluster", "with": {"name": name, "add": true}});
        let until = Instant::now() + PATIENCE;
        loop {
            match first.ask(&request) {
                Ok(answer) if answer.get("reply").is_some_and(|reply| reply == "moved") => break,
                // The agent or etcd is starting.
                _ if Instant::now() < until => thread::sleep(Duration::from_millis(200)),
                other => return Err(format!("{name} was not moved: {other:?}").into()),
            }
        }
    }
    let until = Instant::now() + PATIENCE;
    while !agents.iter().all(|agent| agent.fingerprints().is_ok_and(|found| found.len() == names.len())) {
        if Instant::now() > until {
            return Err("not all agents see all grants".into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Has all agents refresh at random until there were enough refreshes and all faults.
pub(crate) fn refresh_under_faults(
    agents: &Arc<Vec<Agent>>,
    names: &Arc<Vec<String>>,
    server: &Arc<Server>,
    faults: &Faults,
    options: &Options,
) {
    let enough = AtomicBool::new(false);
    let done = || server.count(|entry| entry.outcome == Outcome::Fresh);
    thread::scope(|scope| {
        for agent in agents.iter() {
            for caller in 0..CALLERS {
                let mut random =
                    fastrand::Rng::with_seed(options.seed ^ (agent.number as u64) << 8 ^ caller as u64);
                let enough = &enough;
                scope.spawn(move || {
                    while !enough.load(Ordering::Relaxed) {
                        let some = (0..TOGETHER).filter_map(|_| names.get(random.usize(..names.len())));
                        let some: Vec<_> = some.map(String::as_str).collect();
                        if agent.refresh(&some).is_err() {
                            thread::sleep(Duration::from_millis(50));
                        }
                    }
                });
            }
        }
        let before = done();
        for number in 1..=options.faults {
            while done() - before < number * options.refreshes / (options.faults + 1) {
                thread::sleep(Duration::from_millis(5));
            }
            faults.one(scope);
        }
        while done() - before < options.refreshes {
            thread::sleep(Duration::from_millis(20));
        }
        enough.store(true, Ordering::Relaxed);
    });
}
