//! Runs the agent and the real Windows client under Wine, against the scripted server on loopback.

mod profile;
mod scenarios;

use clap::Parser;
use profile::Machine;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Whatever goes wrong ends a scenario.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// Scenarios with the agent for Windows; `run.sh` beside builds and fetches what they need.
#[derive(Parser)]
struct Arguments {
    /// Wine's loader for 64-bit programs.
    #[arg(long)]
    wine: PathBuf,
    /// Wine's folder (`WINEPREFIX`), made already.
    #[arg(long)]
    prefix: PathBuf,
    /// `mcp-refreshd.exe`; `mcp-refreshdw.exe`, `hold.exe` and the stand-in `schtasks.exe` are beside it.
    #[arg(long)]
    agent: PathBuf,
    /// The real client, `claude.exe`.
    #[arg(long)]
    client: PathBuf,
    /// Only these scenarios.
    names: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let machine = Machine {
        wine: arguments.wine,
        prefix: arguments.prefix,
        agent: arguments.agent,
        client: arguments.client,
    };
    let mut failed = 0;
    for (name, scenario) in scenarios::ALL {
        if !arguments.names.is_empty() && !arguments.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let began = Instant::now();
        let result = scenario(&machine);
        let line = match &result {
            Ok(seen) => format!("ok      {name}: {seen}"),
            Err(error) => format!("FAILED  {name}: {error}"),
        };
        failed += usize::from(result.is_err());
        // Nobody is left to tell where it cannot be printed.
        let _ = writeln!(io::stdout(), "{line} ({:.1} s)", began.elapsed().as_secs_f32());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
