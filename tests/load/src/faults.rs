//! The page faults of what users and Claude Code start often: how much of the program has to be mapped or copied for it.

use crate::instructions::twenty;
use crate::{Fallible, PATIENCE};
use harness::Home;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// The first run reads the program from the disk.
const RUNS: usize = 5;

/// The limits, a quarter above the counts on x86-64.
const STATUS: u64 = 208;
const HEADERS: u64 = 157;

/// Prints the counts; returns what is over its limit.
pub(crate) fn over(program: &Path) -> Fallible<Vec<String>> {
    let mut over = Vec::new();
    for (what, found, most) in count(program)? {
        println!("{what:<48} {found:>12}");
        if found > most {
            over.push(format!("{what} ({most} allowed)"));
        }
    }
    Ok(over)
}

pub(crate) fn run(program: &Path) -> Fallible<()> {
    let over = over(program)?;
    if over.is_empty() { Ok(()) } else { Err(format!("over the limit: {}", over.join("; ")).into()) }
}

/// What was counted, how many, and how many are allowed.
fn count(program: &Path) -> Fallible<[(&'static str, u64, u64); 2]> {
    let (home, _logins) = twenty(program)?;
    let status = fewest(&home, "status")?;
    let mut daemon = home.start(home.command(&["run"]))?;
    daemon.wait_for("started (process", PATIENCE)?;
    let headers = fewest(&home, "headers")?;
    daemon.terminate(PATIENCE)?;
    Ok([
        ("status, 20 entries, no daemon: page faults", status, STATUS),
        ("headers, 20 entries, a fresh token: page faults", headers, HEADERS),
    ])
}

fn fewest(home: &Home, word: &str) -> Fallible<u64> {
    let mut fewest = u64::MAX;
    for _ in 0..RUNS {
        fewest = fewest.min(of(home, word)?);
    }
    Ok(fewest)
}

fn of(home: &Home, word: &str) -> Fallible<u64> {
    let mut command = home.command(&[word]);
    command.env("CLAUDE_CODE_MCP_SERVER_NAME", "lab-0000").stdin(Stdio::null());
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It has exited, and the kernel keeps its counts until it is waited for.
    let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    process.wait()?;
    // Field 10, counted after the name in parentheses (proc_pid_stat(5)).
    let faults = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(7));
    Ok(faults.ok_or("no page faults")?.parse()?)
}
