//! README.md and docs/ show what a user sees: every command in a `console` block is run on a terminal, and its output compared. A word after
//! `console` names the situation (`support/stage.rs`); without one it is a home with six servers and a running agent. Blocks of one file
//! with the same word share one home, and run in their order. Times, fingerprints, process ids and ports may differ, and a line `...` stands
//! for any lines.
//!
//! `UPDATE_DOCUMENTATION=1` updates the blocks that show something else and have no `...`.

use crate::support::stage::Stage;
use crate::support::terminal::Terminal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that do not end, or that build; the named test runs each.
const ELSEWHERE: [(&str, &str); 12] = [
    ("cargo install --locked --path crates/mcp-refreshd", ".ci/run"),
    ("mcp-refreshd run", "daemon.rs, in every test"),
    ("mcp-refreshd install", "tests/systemd, in every scenario: it needs a service manager"),
    ("mcp-refreshd status --watch", "status.rs, on a terminal and off it"),
    ("mcp-refreshd logs --follow", "logs.rs"),
    ("setsid -f mcp-refreshd run --log-file ~/mcp-refreshd.log", "tests/places/scenarios/terminal.sh"),
    ("tmux new-session -d -s agent mcp-refreshd run", "tests/places/scenarios/terminal.sh"),
    ("loginctl enable-linger \"$USER\"", "tests/systemd/scenarios/lingering.sh"),
    ("cargo run --release -p demo", ".ci/run"),
    ("cargo test --workspace", ".ci/run"),
    ("tests/real-client/run.sh --nobody storm_slow_endpoint_expired", ".ci/run"),
    ("tests/real-client/run.sh --both-act 90 --times 3", ".ci/run"),
];

/// A command and its output, as a page shows them.
struct Shown {
    file: PathBuf,
    line: usize,
    stage: String,
    command: String,
    output: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every command that a page shows. A command outside a `console` block is a failure: no test would run it.
fn shown_in(file: &Path) -> Vec<Shown> {
    let text = std::fs::read_to_string(file).unwrap();
    let (mut all, mut stage, mut other) = (Vec::<Shown>::new(), None::<String>, false);
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            let mut words = fence.split_whitespace();
            (stage, other) = match (stage, other, words.next()) {
                (None, false, Some("console")) => (Some(words.next().unwrap_or("").to_owned()), false),
                (None, false, language) => {
                    let shell = matches!(language, Some("sh" | "bash" | "shell"));
                    assert!(!shell, "{}:{number}: commands belong in a console block", file.display());
                    (None, true)
                }
                _ => (None, false),
            };
            continue;
        }
        let Some(stage) = &stage else {
            let command = line.trim_start().starts_with("$ ");
            assert!(!command, "{}:{number}: a command outside a console block", file.display());
            continue;
        };
        match line.strip_prefix("$ ") {
            Some(command) => all.push(Shown {
                file: file.to_owned(),
                line: number,
                stage: stage.clone(),
                // Not built again.
                command: command.replace("cargo run --release -- ", "mcp-refreshd "),
                output: Vec::new(),
            }),
            None => all.last_mut().unwrap().output.push(line.to_owned()),
        }
    }
    assert!(stage.is_none() && !other, "{}: an unterminated block", file.display());
    all
}

/// Runs a command in a shell on a terminal of 80 columns; standard output and error together.
fn seen(stage: &Stage, command: &str) -> String {
    let home = stage.home();
    let program = home.command(&[]).get_program().to_owned();
    let folder = Path::new(&program).parent().unwrap().to_owned();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!("exec 2>&1; {command}"))
        .current_dir(home.path())
        .env_clear()
        .env("MCP_REFRESHD_TEST_SERVICES", "systemd");
    shell.env("HOME", home.path()).env("PATH", path);
    shell
        .envs([("TERM", "xterm"), ("LANG", "C.UTF-8"), ("NO_COLOR", "1"), ("TZ", &noon())])
        .envs(stage.variables());
    Terminal::start(shell, 80, 50).end().1
}

/// A line without what differs from run to run, and without its layout.
fn essence(line: &str, home: &Path) -> String {
    let line = line.trim_end().replace(home.to_str().unwrap(), "/home/me").replace("just now", "0 s ago");
    let mut parts: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let inner = word.trim_matches(|c: char| "(),\";:".contains(c));
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit() && !c.is_uppercase())
        };
        let number = !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit());
        let put = |what: &str| word.replacen(inner, what, 1);
        let unit =
            matches!(inner, "s" | "min" | "h" | "d") && parts.last().is_some_and(|last| last.ends_with('N'));
        if unit {
            // "9 min 56 s" and "10 min" are both a time.
            parts.pop();
            if parts.last().is_some_and(|last| last.ends_with('T')) {
                parts.pop();
            }
            parts.push(put("T"));
        } else if inner.parse::<jiff::Timestamp>().is_ok() {
            parts.push(put("MOMENT"));
        } else if inner.parse::<jiff::civil::Date>().is_ok() {
            parts.push(put("DATE"));
        } else if inner.contains(':') && inner.parse::<jiff::civil::Time>().is_ok() {
            parts.push(put("TIME"));
        } else if hex(inner, 8) {
            parts.push(put("PRINT"));
        } else if number {
            parts.push(put("N"));
        } else if inner.chars().any(|c| c == '█') {
            parts.push("BAR".to_owned());
        } else if let Some((name, _)) = inner.split_once('|').filter(|(_, hash)| hex(hash, 16)) {
            parts.push(put(&format!("{name}|HASH")));
        } else if let Some((lock, _)) =
            inner.split_once(".lock.lock").filter(|_| inner.contains("mcp-refresh-"))
        {
            let named = lock.trim_end_matches(|c: char| c.is_ascii_hexdigit());
            parts.push(put(&format!("{named}HASH.lock.lock")));
        } else if ["127.0.0.1:", "mcp.example:"].iter().any(|host| inner.starts_with(host)) {
            parts.push(put("mcp.example:N"));
        } else if let Some(rest) = inner.strip_prefix("http://127.0.0.1:") {
            parts.push(put(&format!(
                "https://mcp.example{}",
                rest.trim_start_matches(|c: char| c.is_ascii_digit())
            )));
        } else {
            parts.push(word.to_owned());
        }
    }
    // "(in 9 min" begins with a bracket that the collapsed words lost.
    parts.join(" ").replace('(', "")
}

/// Whether the lines are these, where `...` stands for any.
fn fits(expected: &[String], seen: &[String]) -> bool {
    match expected {
        [] => seen.is_empty(),
        [any, rest @ ..] if any == "..." => (0..=seen.len()).any(|skipped| fits(rest, &seen[skipped..])),
        [first, rest @ ..] => seen.first() == Some(first) && fits(rest, &seen[1..]),
    }
}

/// README.md and the pages in docs/ and docs/internals/.
fn pages() -> Vec<PathBuf> {
    let folders = ["docs", "docs/internals"].map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let mut files: Vec<_> = folders.into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.push(root().join("README.md"));
    files.sort();
    files
}

/// An output without this machine's paths and ports.
fn presentable(text: &str, home: &Path) -> Vec<String> {
    let mut lines: Vec<_> =
        text.lines().map(|line| line.trim_end().replace(home.to_str().unwrap(), "/home/me")).collect();
    for (here, shown) in [("http://127.0.0.1:", "https://mcp.example"), ("127.0.0.1:", "mcp.example:443")] {
        for line in &mut lines {
            while let Some(at) = line.find(here) {
                let rest = line.split_off(at).split_off(here.len());
                line.push_str(shown);
                line.push_str(rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
        }
    }
    lines
}

/// Replaces the blocks by what was seen, from the last to the first so that line numbers stay valid.
fn update(file: &Path, mut news: Vec<(usize, usize, Vec<String>)>) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    news.sort();
    for (line, count, seen) in news.into_iter().rev() {
        lines.splice(line..line + count, seen);
    }
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// Runs every command of a page; returns their number, and the differences: line, number of lines shown, lines seen.
fn run_page(file: &Path) -> (usize, Vec<(usize, usize, Vec<String>)>) {
    let (mut run, mut wrong) = (0, Vec::new());
    let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
    for shown in shown_in(file) {
        if ELSEWHERE.iter().any(|(command, _)| *command == shown.command) {
            continue;
        }
        let stage = stages.entry(shown.stage.clone()).or_insert_with(|| Stage::set(&shown.stage));
        let home = stage.home();
        let text = seen(stage, &shown.command).replace('\r', "");
        let plain = |line: &str| essence(line, home.path());
        let mut expected: Vec<_> = shown.output.iter().map(|line| plain(line)).collect();
        while expected.last().is_some_and(String::is_empty) {
            expected.pop();
        }
        let found: Vec<_> = text.lines().map(plain).collect();
        run += 1;
        if !fits(&expected, &found) {
            eprintln!("{}:{}: {}\n{text}", shown.file.display(), shown.line, shown.command);
            for (expected, found) in expected.iter().zip(&found).filter(|(expected, found)| expected != found)
            {
                eprintln!("  shown: {expected}\n  seen:  {found}");
            }
            let exact = !shown.output.iter().any(|line| line == "...");
            wrong.push((shown.line, expected.len(), presentable(&text, home.path())));
            assert!(exact || !updating(), "{}:{}: update it by hand", file.display(), shown.line);
        }
    }
    (run, wrong)
}

/// A time zone by the name of UTC in which it is noon: a time of another day is written with its date, which takes other columns.
fn noon() -> String {
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    format!("UTC{:+}", hour - 12)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_DOCUMENTATION").is_some()
}

#[test]
fn every_command_and_output_of_the_documentation_is_true() {
    let (mut wrong, mut run) = (0, 0);
    for file in pages() {
        let (commands, news) = run_page(&file);
        run += commands;
        wrong += news.len();
        if updating() {
            update(&file, news);
        }
    }
    assert!(wrong == 0, "{wrong} of {run} commands print something other than the documentation shows");
    assert!(run > 0);
}

#[test]
fn what_is_said_to_be_run_elsewhere_is_run_there() {
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    for (command, by) in ELSEWHERE {
        assert!(
            by != ".ci/run" || ci.lines().any(|line| line.trim() == command),
            "{command} is not in .ci/run"
        );
        let Some(scenario) = Some(by).filter(|by| by.ends_with(".sh")) else { continue };
        let scenario = std::fs::read_to_string(root().join(scenario)).unwrap();
        assert!(scenario.contains(command), "{command} is not in {by}");
    }
}
