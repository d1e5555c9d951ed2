//! Runs simulated lives and reports what became of the logins: `cargo run --profile simulation -p simulator -- --help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use simulator::{Account, Freshness, Life, live, run_copies, run_transactions, table};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const HELP: &str = "\
Lives simulated lives, each with the daemon and without it, and compares them; `transactions --help` for single refreshes with a fault
in each, `copies --help` for two folders that hold one login.

  --seed N      the first seed (1)
  --lives N     how many seeds (10)
  --years N     years of each life (10)
  --servers N   servers of each life (10)
  --jobs N      lives at a time (1)
  --own         the logins are in the daemon's vault, and clients ask its helper
  --always      the daemon keeps tokens fresh at every moment, used or not
  --first       ends at the first failure
  --verbose     prints everything that happens, for one life with the daemon
  --without     with --verbose: of the life without the daemon
";

struct Options {
    seed: u64,
    lives: u64,
    years: u64,
    servers: u64,
    jobs: u64,
    verbose: bool,
    without: bool,
    first: bool,
    always: bool,
    own: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seed: 1,
        lives: 10,
        years: 10,
        servers: 10,
        jobs: 1,
        verbose: false,
        without: false,
        first: false,
        always: false,
        own: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut number = || {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
            value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"))
        };
        match name.as_str() {
            "--seed" => options.seed = number()?,
            "--lives" => options.lives = number()?,
            "--years" => options.years = number()?,
            "--servers" => options.servers = number()?,
            "--jobs" => options.jobs = number()?,
            "--own" => options.own = true,
            "--always" => options.always = true,
            "--first" => options.first = true,
            "--verbose" => options.verbose = true,
            "--without" => options.without = true,
            "--help" => return Err(HELP.to_owned()),
            other => return Err(format!("unknown argument {other}\n\n{HELP}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("transactions") {
        return run_transactions(std::env::args().skip(2));
    }
    if std::env::args().nth(1).as_deref() == Some("copies") {
        return run_copies(std::env::args().skip(2));
    }
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let all = Mutex::new((Account::default(), Account::default()));
    let worse_by_kills = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.lives {
                        return;
                    }
                    let (mut with, without) = both(&options, options.seed + number);
                    if with.tally.logins - with.tally.by_kills_of_the_daemon > without.tally.logins {
                        with.failures.push(format!(
                            "seed {}: {} log-ins with the daemon, {} without",
                            options.seed + number,
                            with.tally.logins,
                            without.tally.logins
                        ));
                    } else if with.tally.logins > without.tally.logins {
                        worse_by_kills.fetch_add(1, Ordering::Relaxed);
                    }
                    for failure in &with.failures {
                        println!("FAILURE {failure}");
                    }
                    if options.verbose {
                        eprintln!("seed {}: {} transactions", options.seed + number, with.transactions);
                    }
                    if let Ok(mut all) = all.lock() {
                        all.0.add(&with);
                        all.1.add(&without);
                    }
                }
            });
        }
    });
    let Ok((with, without)) = all.into_inner() else { return ExitCode::FAILURE };
    println!(
        "seeds {} to {}, {} years of {} servers each, {:.0} s",
        options.seed,
        options.seed + options.lives.max(1) - 1,
        options.years,
        options.servers,
        began.elapsed().as_secs_f64()
    );
    print!("{}", table(options.lives * options.years, options.servers, &with, &without));
    println!(
        "lives with more log-ins with the daemon only because it was killed in the middle of a request: {}",
        worse_by_kills.into_inner()
    );
    println!("failures: {}", with.failures.len());
    if with.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn both(options: &Options, seed: u64) -> (Account, Account) {
    let life = Life {
        seed,
        servers: usize::try_from(options.servers).unwrap_or(10),
        years: options.years,
        fresh: if options.always { Freshness::Always } else { Freshness::WhenUsed },
        with_daemon: true,
        own: options.own,
        verbose: options.verbose && !options.without,
        end_at_failure: options.first,
    };
    let with = live(life);
    let verbose = options.verbose && options.without;
    (with, live(Life { with_daemon: false, own: false, verbose, end_at_failure: false, ..life }))
}
