//! What of a token is left in memory, and who may look there: what docs/security.md promises of it.
//!
//! What looks into another process needs root, and is also a step of `.ci/run`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test tells and fails"
)]

#[path = "support/memory.rs"]
mod memory;
mod support;

use memory::{Masked, copies};
use oauth_secret::{AccessToken, ClientSecret, RefreshToken};
use scripted_server::{Script, Server};
use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Daemon, Home};

/// Somebody who is not root.
const SOMEBODY: u32 = 12345;
/// As many refreshes, and then as many again.
const REFRESHES: usize = 25;
/// Buffers of libraries, freed and not yet used again, may hold as many of the tokens that are spent.
const IN_BUFFERS: usize = 12;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_secret_is_wiped_when_it_is_dropped_and_so_are_its_clones() {
    let texts: Vec<_> = (0..200).map(|number| Masked::new(&format!("~{:0>30}~", number * 7919))).collect();
    // A freed block is used for the list of free ones, at its beginning.
    let whole = |text: &Masked| format!("{:>24}{}", "", text.text());
    let (kept, plain) = texts.split_at(100);
    let held = |texts: &[Masked]| copies("self", texts).unwrap();
    let secrets: Vec<_> = kept
        .iter()
        .map(|text| {
            let refresh = RefreshToken::new(whole(text));
            (refresh.clone(), refresh, AccessToken::new(whole(text)), ClientSecret::new(whole(text)))
        })
        .collect();
    assert!(held(kept).iter().all(|copies| *copies >= 4), "this search finds nothing");
    drop(secrets);
    let left = held(kept).iter().filter(|copies| **copies > 0).count();
    // What is no secret shows that it would be found.
    let strings: Vec<_> = plain.iter().map(whole).collect();
    drop(strings);
    let found = held(plain).iter().filter(|copies| **copies > 0).count();
    assert!(found > 50, "of what was not wiped only {found} are found");
    assert_eq!(left, 0, "of 100 are left");
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
fn no_spent_token_is_kept_in_the_daemons_memory() {
    if !is_root() {
        eprintln!("SKIPPED: reading another process's memory needs root: .ci/run does it");
        return;
    }
    let server = Server::start(Script::default()).unwrap();
    let hour = Duration::from_secs(3600);
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(hour))]);
    let daemon = home.daemon();
    let mut spent: Vec<Masked> = Vec::new();
    let mut left = Vec::new();
    for _ in 0..2 {
        spent.extend(refreshed(&home, REFRESHES));
        let counts = copies(&daemon.pid().to_string(), &spent).unwrap();
        left.push(counts.iter().filter(|count| **count > 0).count());
        eprintln!(
            "after {} refreshes: {} of {} spent tokens in memory, {} copies",
            server.token_requests_by("mcp-refreshd"),
            left.last().unwrap(),
            spent.len(),
            counts.iter().sum::<usize>()
        );
    }
    let current: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
    let entry = current["mcpOAuth"].as_object().unwrap().values().next().unwrap();
    let current = ["accessToken", "refreshToken"].map(|name| ending(&entry[name]));
    let counts = copies(&daemon.pid().to_string(), &current).unwrap();
    eprintln!("copies of the pair in the store: {counts:?}");
    assert!(counts[1] > 0, "this search finds nothing: {counts:?}");
    assert!(left.iter().all(|left| *left <= IN_BUFFERS), "spent tokens in memory: {left:?}");
    assert!(daemon.terminate().0.success());
}

#[test]
fn another_process_of_the_same_user_cannot_look_into_the_daemon() {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(Duration::from_secs(3600)))]);
    // Root may look everywhere.
    let as_somebody = |mut command: Command| {
        if is_root() {
            command.uid(SOMEBODY).current_dir("/");
        }
        command
    };
    if is_root() {
        let given =
            Command::new("chown").args(["-R", &SOMEBODY.to_string()]).arg(home.path()).status().unwrap();
        assert!(given.success());
    }
    let mut daemon = Daemon::start(as_somebody(home.command(&["run"])));
    daemon.wait_for("is at work");
    let mut other = as_somebody(Command::new("sleep"));
    let mut other = other.arg("60").stdout(Stdio::null()).spawn().unwrap();
    let mut shown = Vec::new();
    for (whose, pid) in [("the daemon's", daemon.pid()), ("another process's", other.id())] {
        for file in ["environ", "maps"] {
            let mut cat = as_somebody(Command::new("cat"));
            let output = cat.arg(format!("/proc/{pid}/{file}")).output().unwrap();
            shown.push((whose, file, output.status.success()));
        }
    }
    other.kill().unwrap();
    other.wait().unwrap();
    let expected = [("the daemon's", false), ("another process's", true)];
    let expected = expected.map(|(whose, shows)| ["environ", "maps"].map(|file| (whose, file, shows)));
    assert_eq!(shown, expected.concat());
    assert!(daemon.terminate().0.success());
}
