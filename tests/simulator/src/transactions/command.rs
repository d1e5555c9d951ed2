//! The command line of this mode.

use super::{Outcomes, examine};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const HELP: &str = "\
Refreshes entries in small worlds of their own and injects a fault into each transaction.

  --seed N      the seed (1)
  --count N     how many transactions (20000)
  --from N      the number of the first one (0)
  --only N      only this one
  --jobs N      at a time (1)
  --first       ends at the first failure
  --verbose     prints everything that happens
";

/// Numbers that one job takes at a time.
const BATCH: u64 = 500;
/// Failures that are printed.
const PRINTED: u64 = 50;
/// The table so far is told this often, on standard error.
const TOLD: u64 = 250_000;

struct Options {
    seed: u64,
    count: u64,
    from: u64,
    jobs: u64,
    first: bool,
    verbose: bool,
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { seed: 1, count: 20_000, from: 0, jobs: 1, first: false, verbose: false };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let mut number = || {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a number"))?;
            value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"))
        };
        match name.as_str() {
            "--seed" => options.seed = number()?,
            "--count" => options.count = number()?,
            "--from" => options.from = number()?,
            "--only" => (options.from, options.count) = (number()?, 1),
            "--jobs" => options.jobs = number()?,
            "--first" => options.first = true,
            "--verbose" => options.verbose = true,
            "--help" => return Err(HELP.to_owned()),
            other => return Err(format!("{other} is not known\n\n{HELP}")),
        }
    }
    Ok(options)
}

/// Runs what these arguments ask for.
#[must_use]
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let (next, end) = (AtomicU64::new(options.from), options.from + options.count);
    let (printed, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
    let all = Mutex::new(Outcomes::default());
    let complain = |complaint: &str| {
        if printed.fetch_add(1, Ordering::Relaxed) < PRINTED {
            println!("FAILURE {complaint}");
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= end {
                        return;
                    }
                    let mut outcomes = Outcomes::default();
                    for number in first..(first + BATCH).min(end) {
                        let complaints = examine(options.seed, number, options.verbose, &mut outcomes);
                        complaints.iter().for_each(|complaint| complain(complaint));
                        if options.first && !complaints.is_empty() {
                            stopped.store(true, Ordering::Relaxed);
                            break;
                        }
                    }
                    if let Ok(mut all) = all.lock() {
                        all.add(&outcomes);
                        if all.transactions().is_multiple_of(TOLD) {
                            let (count, time) = (all.transactions(), began.elapsed().as_secs_f64());
                            eprint!(
                                "{}{count} so far, {time:.0} s, failures: {}\n\n",
                                all.table(),
                                all.failures()
                            );
                        }
                    }
                }
            });
        }
    });
    let Ok(all) = all.into_inner() else { return ExitCode::FAILURE };
    let seconds = began.elapsed().as_secs_f64();
    let count = all.transactions();
    print!("{}", all.table());
    println!(
        "seed {}, numbers {} to {}: {count} transactions with a fault in each, {seconds:.0} s, {:.0} a second",
        options.seed,
        options.from,
        end.saturating_sub(1),
        count as f64 / seconds.max(0.001)
    );
    println!("failures: {}", all.failures());
    if printed.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
