//! Load tests of the real daemon against scripted servers on loopback. Linux only: it reads `/proc` and inotify.
//!
//! - `load storm [quick|entries|size|draw|tls [ENTRIES]]`: many expired entries at once. Without an argument a short run; `draw` runs everything and
//!   draws `docs/internals/performance-entries.svg` and `docs/internals/performance-document.svg`; `tls` uses TLS with a host name.
//! - `load transaction [TIMES]`: one refresh after the other, broken down into steps, next to the bare writes it needs.
//! - `load instructions`: the instructions and allocations of a refresh, a storm and `status`, counted by valgrind, and page faults; with limits.
//! - `load faults`: the page faults alone.
//! - `load change [SECONDS]`: the reaction time to an external write, and the cost of a store that changes ten times a second.
//!
//! The daemon is `$MCP_REFRESHD`, or else the one built next to this program. Times are reported but have no limits: machines differ.
#![allow(clippy::print_stdout, reason = "a program for people whose output is its purpose")]

mod bare;
mod change;
mod document;
mod faults;
mod growth;
mod instructions;
mod picture;
mod process;
mod storm;
mod transaction;
mod watch;

use harness::{Daemon, Fallible, Home};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |number: usize| words.get(number).map(String::as_str);
    let measured = match word(0) {
        Some("storm") => {
            let only = word(2).and_then(|word| word.parse().ok());
            program().and_then(|program| storm::run(&program, word(1).unwrap_or("quick"), only))
        }
        Some("transaction") => program().and_then(|program| transaction::run(&program, number(word(1), 100))),
        Some("change") => program().and_then(|program| change::run(&program, number(word(1), 10))),
        Some("faults") => program().and_then(|program| faults::run(&program)),
        Some("instructions") => program().and_then(|program| instructions::run(&program)),
        _ => Err("usage: load storm [quick|entries|size|draw|tls [ENTRIES]] | transaction [TIMES] | change [SECONDS] | instructions | faults"
            .into()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(word: Option<&str>, usual: usize) -> usize {
    word.and_then(|word| word.parse().ok()).unwrap_or(usual)
}

/// The daemon: `$MCP_REFRESHD`, or else the one built next to this program.
fn program() -> Fallible<PathBuf> {
    let program = match std::env::var_os("MCP_REFRESHD") {
        Some(program) => PathBuf::from(program),
        None => std::env::current_exe()?.with_file_name("mcp-refreshd"),
    };
    program.canonicalize().map_err(|error| {
        format!("{}: {error}; build it: cargo build --release -p mcp-refreshd", program.display()).into()
    })
}

/// Wall clock in microseconds since the epoch, like the scripted servers' log.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The time between two moments.
fn between(from_us: u64, to_us: u64) -> Duration {
    Duration::from_micros(to_us.saturating_sub(from_us))
}

/// In milliseconds, for output.
fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Sorted durations.
struct Sorted(Vec<Duration>);

impl Sorted {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The quantile in thousandths.
    fn at(&self, thousandths: usize) -> Duration {
        let number = (self.0.len() * thousandths / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(number).copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        self.at(500)
    }
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until the condition holds.
fn wait(what: &str, condition: impl FnMut() -> Fallible<bool>) -> Fallible<()> {
    harness::wait(what, PATIENCE, condition)
}

/// Starts the daemon and waits until it is ready.
fn daemon_at_work(home: &Home) -> Fallible<Daemon> {
    let mut daemon = home.daemon()?;
    daemon.wait_for("started (process", PATIENCE)?;
    Ok(daemon)
}
