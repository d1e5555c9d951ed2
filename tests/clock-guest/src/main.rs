//! How the real daemon handles clock jumps and suspend, on a kernel that really does both.
//!
//! This program sets the clock, so it refuses to run outside the virtual machine made by `run.sh`. Time passes differently in there: an
//! idle hour is over at once, because the machine's clock jumps to the next timer.
#![allow(clippy::print_stdout, reason = "a program for people whose output is its purpose")]
#![allow(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which gives null for what is not there"
)]

mod guest;
mod home;
mod scenarios;

use harness::Fallible;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(why) = guest::is_this_one() {
        println!("clock-guest: {why}");
        return ExitCode::FAILURE;
    }
    let mut failed = 0_usize;
    let scenarios = scenarios::of(&guest::part());
    for (name, scenario) in scenarios {
        match scenario() {
            Ok(figure) => println!("ok      {name}: {figure}"),
            Err(why) => {
                failed += 1;
                println!("FAILED  {name}: {why}");
            }
        }
    }
    // `run.sh` looks for this line: a machine that crashed does not print it.
    println!("clock-guest: {} passed, {failed} failed", scenarios.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}
