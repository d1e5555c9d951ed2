//! Kills the real daemon at each step of a refresh, starts it again, and checks what became of the grant.
//!
//! strace records the steps of an undisturbed refresh and then kills the daemon right before each of them. Only three outcomes are allowed:
//! the new pair is in the store; the request was never sent and the next daemon sends it (which leads to the same result); or the outcome
//! is ambiguous and reported. It also measures how long the storage lock is held, proves that no fsync happens meanwhile, and simulates
//! full and read-only disks. `install` and `uninstall` are killed at each of their steps, too, and run again, and so are `own` and `disown`. The daemon is exposed to slow
//! disks, file systems that come and go, a lack of file watches, and names that do not resolve. As root it cuts the disk's power at each
//! step. At a server that forgives reuse for a while, a daemon killed with its request in flight and restarted at once loses nothing.
//!
//! `crash-points [disks|grace|holds|install|own|points|power|surroundings]… [TIMES]`: only these parts, with this many crashes at each step (default 1).
#![allow(clippy::print_stdout, reason = "a program for people whose output is its purpose")]

mod apart;
mod crash;
mod disk;
mod disks;
mod grace;
mod holds;
mod install;
mod outcomes;
mod own;
mod points;
mod power;
mod surroundings;
mod trace;

use harness::Fallible;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

fn main() -> ExitCode {
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        let required = std::env::var_os("REQUIRE_STRACE").is_some_and(|value| value == "1");
        println!("{}: strace is not installed", if required { "FAILED" } else { "SKIPPED" });
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<usize> {
    let began = Instant::now();
    let program = program()?;
    println!("{}", program.display());
    let mut tally = Tally::default();
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let times = wanted.iter().find_map(|word| word.parse().ok()).unwrap_or(1);
    wanted.retain(|word| word.parse::<usize>().is_err());
    let want = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    match wanted.first().map(String::as_str) {
        Some(install::KILLS_HERE) => install::run(&program, false, times, &mut tally)?,
        Some(install::CUTS_HERE) => install::run(&program, true, times, &mut tally)?,
        Some(surroundings::HERE) => surroundings::run(&program, &mut tally)?,
        _ => {}
    }
    if want("holds") {
        holds::run(&program, &mut tally)?;
    }
    if want("disks") {
        disks::run(&program, &mut tally)?;
    }
    if want("grace") {
        grace::run(&program, &mut tally)?;
    }
    // Crashes in a refresh mostly wait.
    let mut meanwhile = Vec::new();
    if want("own") {
        own::run(&program, times, &mut tally)?;
    }
    if want("surroundings") {
        meanwhile.push(surroundings::begin()?);
    }
    if want("install") {
        meanwhile.push(install::begin(false, times)?);
    }
    if want("power") && power::impossible().is_none() {
        meanwhile.push(install::begin(true, times)?);
    }
    if want("points") {
        points::run(&program, times, &mut tally)?;
    }
    if want("power") {
        power::run(&program, times, &mut tally)?;
    }
    for part in meanwhile {
        part.end(&mut tally)?;
    }
    println!("{} passed, {} failed, in {} s", tally.passed, tally.failed, began.elapsed().as_secs());
    Ok(tally.failed)
}

/// The daemon: `$MCP_REFRESHD`, or else the one built next to this program.
fn program() -> Fallible<PathBuf> {
    let program = match std::env::var_os("MCP_REFRESHD") {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe()?.with_file_name("mcp-refreshd"),
    };
    program.canonicalize().map_err(|error| {
        format!("{}: {error}; build it: cargo build -p mcp-refreshd", program.display()).into()
    })
}

/// The numbers of passed and failed checks.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Prints one line and counts it.
    fn note(&mut self, what: &str, unmet: &[String]) {
        if unmet.is_empty() {
            self.passed += 1;
            println!("ok {what}");
        } else {
            self.failed += 1;
            println!("FAILED {what}: {}", unmet.join("; "));
        }
    }
}
