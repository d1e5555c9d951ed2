//! What the daemon costs while it waits.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test tells and fails"
)]

mod support;

use scripted_server::{Script, Server};
use std::time::Duration;
use support::{Daemon, Home};

const SERVERS: usize = 20;
/// Resident memory allowed, in kB.
const RESIDENT: u64 = 10_000;
/// How long it is watched, in seconds, unless `WATCH_SECONDS` says otherwise.
const WATCHED: u64 = 3;

/// A number from `/proc/<pid>/status`, summed over the threads for those that each thread counts by itself.
fn number(pid: u32, name: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_each = tasks.map(|task| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    });
    if name.ends_with("switches") { of_each.sum() } else { of_each.max().unwrap() }
}

#[test]
fn twenty_servers_after_a_refresh_over_tls_cost_little_memory_and_no_wake_up() {
    let server = Server::start_tls(Script::default()).unwrap();
    let names: Vec<_> = (0..SERVERS).map(|number| format!("lab-{number}")).collect();
    let grants: Vec<_> =
        names.iter().map(|name| server.add(name, Script::default()).grant(Duration::ZERO)).collect();
    let home = Home::with(names.iter().map(String::as_str).zip(&grants));
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, server.ca_pem().unwrap()).unwrap();
    home.configure("[network]\nextra_ca = [\"~/ca.pem\"]\n");
    let mut daemon = Daemon::start(home.command(&["run"]));
    for _ in 0..SERVERS {
        daemon.wait_for("refreshed, good for");
    }
    assert!(home.status()["servers"].as_array().unwrap().iter().all(|server| server["state"] == "fresh"));
    // The last records are saved within a second.
    std::thread::sleep(Duration::from_secs(2));

    let watched = std::env::var("WATCH_SECONDS").map_or(WATCHED, |seconds| seconds.parse().unwrap());
    let watched = Duration::from_secs(watched);
    let before = number(daemon.pid(), "voluntary_ctxt_switches");
    std::thread::sleep(watched);
    let woken = number(daemon.pid(), "voluntary_ctxt_switches") - before;
    let (resident, anonymous) = (number(daemon.pid(), "VmRSS"), number(daemon.pid(), "RssAnon"));
    eprintln!(
        "{SERVERS} servers: {resident} kB resident, {anonymous} kB of it anonymous, {woken} wake-ups in {watched:?}"
    );
    assert_eq!(woken, 0);
    // A debug build is larger; a build that is named is taken for a release.
    if !cfg!(debug_assertions) || std::env::var_os("MCP_REFRESHD").is_some() {
        assert!(resident < RESIDENT, "{resident} kB");
    }
}
