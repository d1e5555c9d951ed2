//! What of a token is left in memory, and who may look there: what docs/security.md promises of it.
//!
//! What looks into another process needs root, and is also a step of `.ci/run`.

use crate::support::{Daemon, Home, PATIENCE};
use harness::memory::{Masked, copies};
use scripted_server::{Answer, Script, Server};
use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Somebody who is not root.
const SOMEBODY: u32 = 12345;
/// As many refreshes, again and again.
const REFRESHES: usize = 25;
const ROUNDS: usize = 5;
/// Buffers of libraries, freed and not used again since, may hold as many of the tokens that were spent that long ago.
const IN_BUFFERS: usize = 8;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What tells a token of the scripted server from all others. The beginning of a freed block is overwritten.
fn ending(token: &serde_json::Value) -> Masked {
    let token = token.as_str().unwrap();
    Masked::new(&token[token.len() - 16..])
}

/// Refreshes on and on; gives the tokens that were replaced by others.
fn refreshed(home: &Home, times: usize) -> BTreeSet<Masked> {
    let mut spent = BTreeSet::new();
    for _ in 0..times {
        let stored: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
        for entry in stored["mcpOAuth"].as_object().unwrap().values() {
            spent.extend(
                ["accessToken", "refreshToken"].map(|name| Masked::new(entry[name].as_str().unwrap())),
            );
        }
        assert_eq!(home.told(&["refresh", "--force"]).0, 0);
    }
    spent
}

#[test]
fn no_spent_token_stays_in_the_agents_memory() {
    if !is_root() {
        eprintln!("SKIPPED: reading another process's memory needs root: .ci/run does it");
        return;
    }
    let server = Server::start(Script::default()).unwrap();
    let hour = Duration::from_secs(3600);
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(hour))]);
    let daemon = home.daemon();
    let in_memory = |tokens: &[Masked]| {
        let counts = copies(&daemon.pid().to_string(), tokens).unwrap();
        counts.iter().filter(|count| **count > 0).count()
    };
    let (mut long_spent, mut lately): (Vec<Masked>, Vec<Masked>) = (Vec::new(), Vec::new());
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        long_spent.append(&mut lately);
        lately.extend(refreshed(&home, REFRESHES));
        left.push((in_memory(&long_spent), in_memory(&lately)));
    }
    eprintln!(
        "in memory after each {REFRESHES} refreshes, of the tokens spent before these, and by these: {left:?}"
    );
    eprintln!("of {} and {} in the end", long_spent.len(), lately.len());
    let current: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
    let entry = current["mcpOAuth"].as_object().unwrap().values().next().unwrap();
    let current = ["accessToken", "refreshToken"].map(|name| ending(&entry[name]));
    let counts = copies(&daemon.pid().to_string(), &current).unwrap();
    eprintln!("copies of the pair in the store: {counts:?}");
    assert!(counts[1] > 0, "this search finds nothing: {counts:?}");
    let long_spent: Vec<_> = left.iter().map(|(long_spent, _)| *long_spent).collect();
    // Where one stays of each refresh there are a hundred in the end.
    assert!(long_spent.iter().all(|left| *left <= IN_BUFFERS), "long spent, and in memory: {long_spent:?}");
    assert!(daemon.terminate().0.success());
}

/// A home that belongs to somebody who is not root: root may look everywhere.
fn home_of_somebody(server: &Server, left: Duration) -> Home {
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(left))]);
    if is_root() {
        let mut chown = Command::new("chown");
        assert!(chown.args(["-R", &SOMEBODY.to_string()]).arg(home.path()).status().unwrap().success());
    }
    home
}

fn as_somebody(mut command: Command) -> Command {
    if is_root() {
        command.uid(SOMEBODY).current_dir("/");
    }
    command
}

/// Whether another process of its user may look into a process, and how large a core dump of it may be.
fn about(pid: u32) -> (Vec<bool>, String) {
    let shows = |file: &&str| {
        let mut cat = as_somebody(Command::new("cat"));
        cat.arg(format!("/proc/{pid}/{file}")).output().unwrap().status.success()
    };
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let core: Vec<_> = core.split_whitespace().take(2).collect();
    (["environ", "maps"].iter().map(shows).collect(), core.join(" "))
}

#[test]
fn another_process_of_the_same_user_cannot_look_into_the_agent() {
    let server = Server::start(Script::default()).unwrap();
    let home = home_of_somebody(&server, Duration::from_secs(3600));
    let mut daemon = Daemon::start(as_somebody(home.command(&["run"])));
    daemon.wait_for("started (process");
    assert_eq!(about(daemon.pid()), (vec![false, false], "0 0".to_owned()));
    let mut sleep = as_somebody(Command::new("sleep"));
    let mut other = sleep.arg("60").stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(about(other.id()).0, [true, true], "nothing can be seen here");
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(daemon.terminate().0.success());
}

#[test]
fn another_process_cannot_look_into_a_command_that_refreshes_by_itself_either() {
    let server = Server::start(Script::default()).unwrap();
    let home = home_of_somebody(&server, Duration::ZERO);
    server.add("lab", Script::default()).answer_always(Answer::default().after(Duration::from_secs(2)));
    let mut command = as_somebody(home.command(&["refresh"]));
    let mut process = command.stdout(Stdio::null()).spawn().unwrap();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    assert_eq!(about(process.id()), (vec![false, false], "0 0".to_owned()));
    assert!(process.wait().unwrap().success());
}
