//! Kills the real daemon at each step of a refresh, starts it again, and looks at what became of the grant.
//!
//! strace shows the steps of one undisturbed refresh and then lets the daemon die just before each of them. Nothing but three ends is
//! allowed: the new pair is in the store, or the request had never been sent and is sent by the next daemon (which is the same in the
//! end), or the case is ambiguous and reported. Further it measures how long the storage lock is held, proves that no fsync
//! happens meanwhile, and lets disks be full and read-only. `install` and `uninstall` die at each of their steps, too, and are typed again; and
//! the daemon meets what machines do to it: a slow disk, file systems that come and go, no file watches, names that nobody resolves. As root
//! it cuts the power of the disk at each step. At a server that forgives a reuse for a while, a daemon that is killed with its request on the
//! wire and started again at once loses nothing.
//!
//! `crash-points [disks|grace|holds|install|points|power|surroundings]… [TIMES]`: only these parts; the daemon dies so many times at each step (once by default).
#![allow(clippy::print_stdout, reason = "a program for people whose output is its purpose")]

mod apart;
mod crash;
mod disk;
mod disks;
mod grace;
mod holds;
mod install;
mod outcomes;
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
    // Those that die in a refresh mostly wait.
    let mut meanwhile = Vec::new();
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

/// The daemon: `$MCP_REFRESHD`, else the one that was built beside this program.
fn program() -> Fallible<PathBuf> {
    let program = match std::env::var_os("MCP_REFRESHD") {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe()?.with_file_name("mcp-refreshd"),
    };
    program.canonicalize().map_err(|error| {
        format!("{}: {error}; build it: cargo build -p mcp-refreshd", program.display()).into()
    })
}

/// How many things were shown and how many not.
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
