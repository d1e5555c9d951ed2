//! What the agent costs while it waits, and that it costs no more after a long life.
//!
//! `MCP_REFRESHD` names another build of the program: the limits of memory are those of a release build. `SERVERS`, `WATCH_SECONDS` and
//! `REFRESHES` ask for more than is cheap: `SERVERS="1 20 200" WATCH_SECONDS=300 REFRESHES=10000`. Proportional memory is true only where
//! no other agent runs: `--test-threads 1`. `TUNABLES` replaces the allocator's settings, for a build whose unit has others.

use crate::support::cost::Cost;
use crate::support::{Daemon, Home, PATIENCE};
use scripted_server::{Outcome, Script, Server};
use std::time::{Duration, Instant};

/// Memory allowed with 20 servers after their refreshes, in kB: in all, and of it in no file.
const RESIDENT: u64 = 7_500;
const ANONYMOUS: u64 = 1_250;
/// The program's own, and that of the watcher.
const THREADS: usize = 2;
/// Records are saved within a second.
const SAVED: Duration = Duration::from_secs(2);
/// What the second half of many refreshes may add to the anonymous memory of the first, in kB: a little more than it goes up and down
/// by itself. The default number of refreshes finds 1 kB lost in each.
const GROWTH: u64 = 512;

/// A number of the environment.
fn asked(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

/// A debug build is larger; a build that is named is taken for a release.
fn is_release() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("MCP_REFRESHD").is_some()
}

/// What only root may see.
fn shown(number: Option<impl ToString>) -> String {
    number.map_or("?".to_owned(), |number| number.to_string())
}

/// Servers behind TLS under a host name, each with an entry that is good for so long.
fn lab(servers: usize, left: Duration) -> (Server, Home) {
    let server = Server::start_tls(Script::default()).unwrap();
    let names: Vec<_> = (0..servers).map(|number| format!("lab-{number}")).collect();
    let grants: Vec<_> = names.iter().map(|name| server.add(name, Script::default()).grant(left)).collect();
    let home = Home::with(names.iter().map(String::as_str).zip(&grants));
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, server.ca_pem().unwrap()).unwrap();
    home.configure("[network]\nextra_ca = [\"~/ca.pem\"]\n");
    (server, home)
}

/// The agent with the allocator's settings of the unit that we ship.
fn as_by_systemd(home: &Home) -> Daemon {
    const UNIT: &str = include_str!("../../../../systemd/mcp-refreshd.service");
    const TUNABLES: &str = "GLIBC_TUNABLES";
    let line = UNIT.lines().find_map(|line| line.strip_prefix("Environment=")?.strip_prefix(TUNABLES));
    let value = line.and_then(|line| line.strip_prefix('=')).unwrap();
    let asked = std::env::var("TUNABLES");
    let mut command = home.command(&["run"]);
    command.env(TUNABLES, asked.as_deref().unwrap_or(value));
    Daemon::start(command)
}

/// Waits for the end of the threads that wait for the disk or for names, and for the last records.
fn settle(daemon: &Daemon) {
    let end = Instant::now() + PATIENCE;
    while Cost::of(daemon.pid()).threads > THREADS {
        assert!(Instant::now() < end, "{} threads stay", Cost::of(daemon.pid()).threads);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(SAVED);
}

/// Watches an agent that has nothing to do: what it costs at the end, and what the time took.
fn watch(daemon: &Daemon, what: &str) -> Cost {
    settle(daemon);
    let watched = Duration::from_secs(asked("WATCH_SECONDS", 3) as u64);
    let before = Cost::of(daemon.pid());
    std::thread::sleep(watched);
    let after = Cost::of(daemon.pid());
    let idle = Cost { wake_ups: after.wake_ups - before.wake_ups, busy: after.busy - before.busy, ..after };
    eprintln!(
        "{what}: {} kB resident, {} proportional, {} anonymous; {} threads, {} files; in {watched:?} {} wake-ups, {:?} busy",
        idle.resident,
        shown(idle.proportional),
        idle.anonymous,
        idle.threads,
        shown(idle.files),
        idle.wake_ups,
        idle.busy
    );
    idle
}

#[test]
fn waiting_costs_little_memory_and_no_wake_up_whatever_the_number_of_servers() {
    let servers = std::env::var("SERVERS").unwrap_or_else(|_| "1 20".to_owned());
    let (mut files, mut of_twenty) = (None, Vec::new());
    for servers in servers.split_whitespace().map(|number| number.parse().unwrap()) {
        for refreshed in [false, true] {
            let left = if refreshed { 0 } else { 3600 };
            let (_server, home) = lab(servers, Duration::from_secs(left));
            let mut daemon = as_by_systemd(&home);
            daemon.wait_for("started (process");
            if refreshed {
                (0..servers).for_each(|_| drop(daemon.wait_for("refreshed, ")));
            }
            let rows = home.status()["servers"].as_array().unwrap().clone();
            assert!(rows.len() == servers && rows.iter().all(|server| server["state"] == "fresh"));
            let when = if refreshed { "after" } else { "before" };
            let idle = watch(&daemon, &format!("{servers:>3} servers, {when} their refreshes"));
            assert_eq!(idle.wake_ups, 0);
            assert_eq!(idle.busy, Duration::ZERO);
            // No connection is kept, and no file for a server.
            assert_eq!(idle.files, *files.get_or_insert(idle.files));
            of_twenty.extend((servers == 20).then_some(idle));
        }
    }
    // Last: `benches/builds.sh` wants the figures of builds that need more, too.
    for idle in of_twenty.into_iter().filter(|_| is_release()) {
        assert!(idle.resident < RESIDENT, "{} kB", idle.resident);
        assert!(idle.anonymous <= ANONYMOUS, "{} kB", idle.anonymous);
    }
}

#[test]
fn memory_stays_as_it_is_over_many_refreshes() {
    const SERVERS: usize = 20;
    let refreshes = asked("REFRESHES", 1_000);
    let (server, home) = lab(SERVERS, Duration::from_secs(3600));
    let mut daemon = as_by_systemd(&home);
    daemon.wait_for("started (process");
    let mut seen = Vec::new();
    for tenth in 1..=10 {
        let count = || server.count(|entry| entry.outcome == Outcome::Fresh);
        while count() < refreshes * tenth / 10 {
            let (code, _, said) = home.told(&["refresh", "--force"]);
            assert_eq!(code, 0, "{said}");
        }
        if matches!(tenth, 5 | 10) {
            settle(&daemon);
        }
        let now = Cost::of(daemon.pid());
        let (done, Cost { resident, anonymous, files, .. }) = (count(), now);
        let files = shown(files);
        eprintln!("after {done:>5} refreshes: {resident} kB resident, {anonymous} anonymous, {files} files");
        seen.push(now);
    }
    let (half, end) = (seen[4], seen[9]);
    let growth = end.anonymous.saturating_sub(half.anonymous);
    eprintln!("{growth} kB more at the end than after half of them");
    assert!(growth <= GROWTH, "{growth} kB");
    assert_eq!(end.files, half.files);
}
