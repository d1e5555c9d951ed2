//! The instructions and allocations of a refresh and a command, as counted by valgrind. They do not depend on the machine's load, so they
//! have limits.

use crate::Fallible;
use crate::PATIENCE;
use crate::document::{Logins, fresh_in};
use crate::{faults, wait};
use harness::Home;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The refreshes in a short and a long life; the difference excludes the start.
const FEW: u64 = 5;
const MANY: u64 = 25;
const HOUR: Duration = Duration::from_secs(3600);
/// Entries and servers of a storm.
const STORM: (usize, usize) = (100, 10);

/// The limits, a quarter above the counts on x86-64, in the order of the rows.
const START: Cost = Cost::at_most(31_600_000, 3_600);
const REFRESHES: [(usize, usize, Cost); 4] = [
    (1, 0, Cost::at_most(1_350_000, 880)),
    (20, 0, Cost::at_most(3_200_000, 1_600)),
    (100, 0, Cost::at_most(10_900_000, 4_500)),
    (20, 1_000_000, Cost::at_most(37_700_000, 1_600)),
];
/// All refreshes of a storm, over http and over TLS with a host name. They depend a little on which answers come together.
const STORMS: [(bool, Cost); 2] =
    [(false, Cost::at_most(125_000_000, 75_000)), (true, Cost::at_most(420_000_000, u64::MAX))];
// It reads the time zone, and gives a reason for each entry: 1.52 million (measured).
const STATUS: Cost = Cost::at_most(1_930_000, 1_180);

#[derive(Clone, Copy, Debug)]
struct Cost {
    instructions: u64,
    allocations: u64,
}

impl Cost {
    const fn at_most(instructions: u64, allocations: u64) -> Self {
        Self { instructions, allocations }
    }

    /// Counts what `work` does with a home folder and a way to start the program, with one tool after the other.
    fn of(work: impl Fn(Tool) -> Fallible<u64>) -> Fallible<Self> {
        Ok(Self { instructions: work(Tool::Callgrind)?, allocations: work(Tool::Memcheck)? })
    }

    /// What the helper may cost if this is the bare program.
    fn and_a_half(self) -> Self {
        Self::at_most(self.instructions / 2 * 3, u64::MAX)
    }

    /// The cost of one refresh: the difference between a long and a short life, divided.
    fn of_one(few: Self, many: Self) -> Self {
        let one = |few: u64, many: u64| many.saturating_sub(few) / (MANY - FEW);
        Self {
            instructions: one(few.instructions, many.instructions),
            allocations: one(few.allocations, many.allocations),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Tool {
    Callgrind,
    Memcheck,
}

impl Tool {
    /// The program run by valgrind.
    fn command(self, program: &Path, home: &Home) -> Command {
        let mut command = Command::new("valgrind");
        match self {
            Self::Callgrind => {
                command.arg("--tool=callgrind");
                command.arg(format!("--callgrind-out-file={}", home.path().join("instructions").display()))
            }
            Self::Memcheck => command.args(["--tool=memcheck", "--undef-value-errors=no", "--leak-check=no"]),
        };
        command.arg(format!("--log-file={}", home.path().join("valgrind").display())).arg(program);
        // Only the variables needed to find valgrind; none of the user's folders is touched.
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", home.path()).stdin(Stdio::null());
        command
    }

    fn counted(self, home: &Home) -> Fallible<u64> {
        let log = fs::read_to_string(home.path().join("valgrind"))?;
        let found = match self {
            // "Collected : 21066567"
            Self::Callgrind => log.lines().find_map(|line| line.split_once("Collected : ")),
            // "total heap usage: 1,234 allocs, 1,200 frees, 567,890 bytes allocated"
            Self::Memcheck => log.lines().find_map(|line| line.split_once("total heap usage: ")),
        };
        let number = found.and_then(|(_, rest)| rest.split_whitespace().next()).map(|n| n.replace(',', ""));
        number.and_then(|n| n.parse().ok()).ok_or_else(|| format!("valgrind printed no count: {log}").into())
    }
}

pub(crate) fn run(program: &Path) -> Fallible<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is needed".into());
    }
    println!("{}", program.display());
    println!("{:<48} {:>12} {:>12}", "", "instructions", "allocations");
    let mut over = Vec::new();
    let mut row = |what: &str, cost: Cost, most: Cost| {
        println!("{what:<48} {:>12} {:>12}", cost.instructions, cost.allocations);
        if cost.instructions > most.instructions || cost.allocations > most.allocations {
            over.push(format!("{what} ({} and {} allowed)", most.instructions, most.allocations));
        }
    };
    row("start and end of the daemon, no entry", Cost::of(|tool| live(program, tool, 0, 0, 0))?, START);
    for (entries, size, most) in REFRESHES {
        let times = |times: u64| Cost::of(|tool| live(program, tool, entries, size, times));
        let one = Cost::of_one(times(FEW)?, times(MANY)?);
        let document = if size == 0 { String::new() } else { format!(" in {} kB", size / 1000) };
        row(&format!("one refresh, entries: {entries}{document}"), one, most);
    }
    for (tls, most) in STORMS {
        let over = if tls { "TLS" } else { "http" };
        let one = Cost::of(|tool| storm(program, tool, tls))?;
        row(&format!("{} refreshes in a storm, {over}", STORM.0), one, most);
    }
    row("status, 20 entries, no daemon", Cost::of(|tool| status(program, tool))?, STATUS);
    let version = Cost::of(|tool| version(program, tool))?;
    row("--version", version, Cost::at_most(u64::MAX, u64::MAX));
    row("headers, 20 entries, a fresh token", Cost::of(|tool| headers(program, tool))?, version.and_a_half());
    over.extend(faults::over(program)?);
    if over.is_empty() { Ok(()) } else { Err(format!("over the limit: {}", over.join("; ")).into()) }
}

/// A daemon's whole life, with this many refreshes of its first entry.
fn live(program: &Path, tool: Tool, entries: usize, size: usize, times: u64) -> Fallible<u64> {
    let (home, logins) = (Home::new(program)?, Logins::new(entries, 1, HOUR, Duration::ZERO)?);
    home.store(&logins.document(size)?)?;
    let mut command = tool.command(program, &home);
    command.arg("run");
    let mut daemon = home.start(command)?;
    daemon.wait_for("started (process", PATIENCE)?;
    for _ in 0..times {
        let output = home.command(&["refresh", "lab-0000", "--force"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    daemon.terminate(PATIENCE)?;
    tool.counted(&home)
}

/// A daemon's life in which everything has expired, less one without an entry.
fn storm(program: &Path, tool: Tool, tls: bool) -> Fallible<u64> {
    let life = |entries: usize| -> Fallible<u64> {
        let (home, logins) = (Home::new(program)?, expired(entries, tls)?);
        if tls {
            fs::write(home.path().join("authorities.pem"), logins.authorities())?;
            home.configure("[network]\nextra_ca = [\"~/authorities.pem\"]\n")?;
        }
        home.store(&logins.document(0)?)?;
        let mut command = tool.command(program, &home);
        command.arg("run");
        let mut daemon = home.start(command)?;
        daemon.wait_for("started (process", PATIENCE)?;
        wait("every pair is in the document", || Ok(fresh_in(&fs::read(home.credentials())?) == entries))?;
        daemon.terminate(PATIENCE)?;
        tool.counted(&home)
    };
    Ok(life(STORM.0)?.saturating_sub(life(0)?))
}

fn expired(entries: usize, tls: bool) -> std::io::Result<Logins> {
    let answers_after = Duration::from_millis(50);
    match tls {
        true => Logins::expired_over_tls(entries, STORM.1, answers_after),
        false => Logins::expired(entries, STORM.1, answers_after),
    }
}

fn version(program: &Path, tool: Tool) -> Fallible<u64> {
    let home = Home::new(program)?;
    tool.command(program, &home).arg("--version").output()?;
    tool.counted(&home)
}

/// As Claude Code runs its helper, while an agent is running.
fn headers(program: &Path, tool: Tool) -> Fallible<u64> {
    let (home, _logins) = twenty(program)?;
    let mut daemon = home.start(home.command(&["run"]))?;
    daemon.wait_for("started (process", PATIENCE)?;
    let mut helper = tool.command(program, &home);
    helper.arg("headers").env("CLAUDE_CODE_MCP_SERVER_NAME", "lab-0000");
    let output = helper.output()?;
    daemon.terminate(PATIENCE)?;
    match output.status.success() {
        true => tool.counted(&home),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

fn status(program: &Path, tool: Tool) -> Fallible<u64> {
    let (home, _logins) = twenty(program)?;
    tool.command(program, &home).arg("status").output()?;
    tool.counted(&home)
}

/// A home with 20 logins that are good for an hour.
pub(crate) fn twenty(program: &Path) -> Fallible<(Home, Logins)> {
    let (home, logins) = (Home::new(program)?, Logins::new(20, 1, HOUR, Duration::ZERO)?);
    home.store(&logins.document(0)?)?;
    Ok((home, logins))
}
