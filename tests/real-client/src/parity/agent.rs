//! The agent's side of a case.

use super::lab::Lab;
use super::verdict::Side;
use crate::user::{Machine, User, tail};
use crate::{Fallible, until};
use harness::Daemon;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often the agent is asked.
const ASK: Duration = Duration::from_millis(900);
/// It is waited for so long after the first attempt where it must end fresh: nobody waits for a program in the background as for a command, so that its first
/// pause may be a minute.
const PATIENCE: Duration = Duration::from_secs(75);
/// What it need not refresh is given so long after the first attempt, in which it must not ask too often.
const WATCH: Duration = Duration::from_secs(8);
/// And so long after it has called for a person.
const AFTERTHOUGHT: Duration = Duration::from_secs(2);

/// Runs the daemon until the entry is fresh or it has said what is wrong.
///
/// `demanded`: whether it must end fresh.
pub(super) async fn run(machine: &Machine, program: &Path, lab: &Lab, demanded: bool) -> Fallible<Side> {
    let person = lab.furnish(machine)?;
    let log = File::options().append(true).read(true).create(true).open(person.log("agent.log"))?;
    let mut command = lab.command(&person, program).into_std();
    command.arg("run");
    let mut daemon = Daemon::start(command, log)?;

    let mut end = Instant::now() + PATIENCE;
    let mut next_question = Instant::now() + ASK;
    let (mut tried, mut settled) = (false, false);
    let mut fresh = false;
    let mut words = String::new();
    while Instant::now() < end && !daemon.has_ended() {
        fresh = lab.is_fresh(&person);
        if fresh {
            break;
        }
        if Instant::now() >= next_question {
            let status = status(program, &person, lab).await?;
            if status.tried && !tried {
                // From here on: on a machine with much to do a start takes its time.
                end = if demanded { Instant::now() + PATIENCE } else { end.min(Instant::now() + WATCH) };
                tried = true;
            }
            if status.settled && !settled {
                // One that asks again all the same must have the time for it where it must end fresh.
                end = if demanded { end } else { end.min(Instant::now() + AFTERTHOUGHT) };
                settled = true;
            }
            words = status.words;
            next_question = Instant::now() + ASK;
        }
        tokio::time::sleep(LOOK).await;
    }
    // Many cases share this thread: it may have been kept from looking.
    fresh = fresh || lab.is_fresh(&person);
    if fresh {
        // The pair is in the store before the record is; what it says is not judged then.
        words = "fresh".to_owned();
    } else if daemon.has_ended() {
        words = format!("the agent ended: {}", tail(&person.log("agent.log")));
    }
    // In the middle of a request it drains; the outcome does not matter.
    daemon.signal(Signal::TERM);
    until(Duration::from_secs(3), || daemon.has_ended()).await;
    Ok(Side {
        fresh,
        words,
        requests: lab.requests(),
        lost: lab.is_spent() && !lab.keeps_grant(&person),
        leaked: lab.leaked(),
        story: format!("{}{}\n", lab.story(), tail(&person.log("agent.log"))),
    })
}

struct Status {
    words: String,
    /// There was an attempt.
    tried: bool,
    /// It needs a person.
    settled: bool,
}

async fn status(program: &Path, person: &User, lab: &Lab) -> Fallible<Status> {
    let output = lab.command(person, program).args(["status", "--json"]).output().await?;
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let state = text("/servers/0/state");
    let parts = [
        state,
        text("/servers/0/last_refresh/outcome"),
        text("/servers/0/last_refresh/detail"),
        text("/servers/0/action"),
    ];
    let words: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let tried = !text("/servers/0/last_refresh/outcome").is_empty();
    Ok(Status { tried, settled: state == "action_required", words: words.join("; ") })
}
