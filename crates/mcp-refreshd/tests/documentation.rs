//! What README.md and docs/ show is what a person sees: every command in a `console` block is run on a terminal, in a home with six
//! servers and the daemon at work, and its output compared. Times, fingerprints and numbers of processes and ports may differ, and a line
//! `...` stands for any lines.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test tells and fails"
)]

#[path = "support/six.rs"]
mod six;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use six::Six;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::Home;
use terminal::Terminal;

/// Commands that do not end, or that build; each is run by the test that is named.
const ELSEWHERE: [(&str, &str); 5] = [
    ("mcp-refreshd run", "daemon.rs, in every test"),
    ("mcp-refreshd status --watch", "status.rs, on a terminal and off it"),
    ("mcp-refreshd logs --follow", "logs.rs"),
    ("cargo run --release -p demo", ".ci/run"),
    ("cargo test --workspace", ".ci/run"),
];

/// A command of the documentation and what it is said to print.
struct Shown {
    file: PathBuf,
    line: usize,
    command: String,
    output: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shown_in(file: &Path) -> Vec<Shown> {
    let text = std::fs::read_to_string(file).unwrap();
    let (mut all, mut inside) = (Vec::<Shown>::new(), false);
    for (number, line) in text.lines().enumerate() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            inside = !inside && fence.trim() == "console";
            continue;
        }
        if !inside {
            assert!(
                !line.starts_with("$ "),
                "{}:{}: a command outside a console block",
                file.display(),
                number + 1
            );
            continue;
        }
        match line.strip_prefix("$ ") {
            Some(command) => all.push(Shown {
                file: file.to_owned(),
                line: number + 1,
                // Without an installation the program is built first; what it does is the same.
                command: command.replace("cargo run --release -- ", "mcp-refreshd "),
                output: Vec::new(),
            }),
            None => all.last_mut().unwrap().output.push(line.to_owned()),
        }
    }
    all
}

/// Runs it in a shell on a terminal of 80 columns, both outputs together.
fn seen(home: &Home, command: &str) -> String {
    let program = home.command(&[]).get_program().to_owned();
    let folder = Path::new(&program).parent().unwrap().to_owned();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("exec 2>&1; {command}")).current_dir(home.path()).env_clear();
    shell.env("HOME", home.path()).env("PATH", path);
    shell.envs([("TERM", "xterm"), ("LANG", "C.UTF-8"), ("NO_COLOR", "1")]);
    Terminal::start(shell, 80, 50).end().1
}

/// A line without what differs from run to run, and without its layout.
fn essence(line: &str, home: &Path) -> String {
    let line = line.trim_end().replace(home.to_str().unwrap(), "/home/me");
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
        } else if hex(inner, 8) {
            parts.push(put("PRINT"));
        } else if number {
            parts.push(put("N"));
        } else if inner.chars().any(|c| c == '█') {
            parts.push("BAR".to_owned());
        } else if let Some((name, _)) = inner.split_once('|').filter(|(_, hash)| hex(hash, 16)) {
            parts.push(put(&format!("{name}|HASH")));
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

#[test]
fn every_command_and_output_of_the_documentation_is_true() {
    let mut files: Vec<_> =
        std::fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.push(root().join("README.md"));
    files.sort();
    let six = Six::new();
    let (mut wrong, mut run) = (0, 0);
    for shown in files.iter().flat_map(|file| shown_in(file)) {
        if ELSEWHERE.iter().any(|(command, _)| *command == shown.command) {
            continue;
        }
        let text = seen(&six.home, &shown.command).replace('\r', "");
        let plain = |line: &str| essence(line, six.home.path());
        let mut expected: Vec<_> = shown.output.iter().map(|line| plain(line)).collect();
        while expected.last().is_some_and(String::is_empty) {
            expected.pop();
        }
        let found: Vec<_> = text.lines().map(plain).collect();
        run += 1;
        if !fits(&expected, &found) {
            wrong += 1;
            eprintln!("{}:{}: {}\n{text}", shown.file.display(), shown.line, shown.command);
            for (expected, found) in expected.iter().zip(&found).filter(|(expected, found)| expected != found)
            {
                eprintln!("  shown: {expected}\n  seen:  {found}");
            }
        }
    }
    assert!(wrong == 0, "{wrong} of {run} commands print something else than the documentation shows");
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
    }
}
