//! What a person sees of six servers, one in each condition, with the real daemon and a real server.

use crate::support::many::Many;
use crate::support::six::Six;
use crate::support::terminal::Terminal;
use crate::support::{Daemon, Home};
use rustix::process::{Pid, Signal, kill_process};
use scripted_server::{Script, Server};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// The schema of `status --json`, as it is published.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/status.schema.json")).unwrap()
}

fn valid(status: &Value) {
    let found = crate::support::schema::violations(&schema(), status);
    assert!(found.is_empty(), "{found:#?}\n{status:#}");
}

/// `status` on a terminal: exit code and what it shows.
fn shown(home: &Home, columns: u16, variables: &[(&str, &str)]) -> (i32, String) {
    shown_by(home, &["status"], columns, variables)
}

/// Any command on a terminal.
fn shown_by(home: &Home, arguments: &[&str], columns: u16, variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = home.command(arguments);
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    let (code, text) = Terminal::start(command, columns, 24).end();
    (code, text.replace('\r', ""))
}

/// Columns of a line.
fn width(line: &str) -> usize {
    // East Asian characters take two; none other is shown here.
    line.chars().map(|character| if ('\u{3000}'..='\u{9fff}').contains(&character) { 2 } else { 1 }).sum()
}

fn first_words(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| !line.starts_with([' ', 'S']));
    rows.map(|line| line.split_whitespace().next().unwrap()).collect()
}

const ORDER: [&str; 6] = ["figma", "notion", "jira", "sentry", "grafana", "linear"];
const UTF8: (&str, &str) = ("LANG", "en_GB.UTF-8");
const PLAIN: (&str, &str) = ("NO_COLOR", "1");

#[test]
fn the_two_that_need_a_person_come_first_and_say_what_to_type() {
    let mut six = Six::new();
    for stopped in [false, true] {
        if stopped {
            six.stop();
        }
        let (code, text, remarks) = six.home.told(&["status"]);
        assert_eq!((code, first_words(&text)), (1, ORDER.to_vec()), "{text}{remarks}");
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].contains("  type: claude mcp login notion  # the login has ended (invalid_grant)"),
            "{text}"
        );
        assert!(lines[0].contains("  type: claude mcp login figma  # not logged in"), "{text}");
        assert!(lines[2].contains("retrying") && lines[2].contains("again in 4 min"), "{text}");
        assert!(lines[3].contains("due        9 min ") && lines[4].contains("no refresh token"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('█'), "{text}");
        assert_eq!(remarks.contains("does not run"), stopped, "{remarks}");

        // 80 columns, 120 columns, no colour, no UTF-8.
        let (code, text) = shown(&six.home, 80, &[UTF8, PLAIN]);
        assert_eq!((code, first_words(&text)), (1, ORDER.to_vec()), "{text}");
        assert!(text.contains("█░") && !text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("\n  type: claude mcp login notion\n"), "{text}");
        if std::env::var_os("SHOW").is_some() {
            eprintln!("{}{}", shown(&six.home, 80, &[UTF8]).1, shown(&six.home, 120, &[]).1);
        }
        let (_, wide) = shown(&six.home, 120, &[UTF8, PLAIN]);
        assert!(wide.lines().next().unwrap().len() >= text.lines().next().unwrap().len(), "{wide}");
        assert!(shown(&six.home, 80, &[UTF8]).1.contains("\u{1b}[1;31m"));
        let ascii = shown(&six.home, 80, &[("LC_ALL", "C"), PLAIN]).1;
        assert!(ascii.is_ascii() && ascii.contains("##"), "{ascii}");
        for columns in [1, 5, 20, 40] {
            let (code, text) = shown(&six.home, columns, &[UTF8, PLAIN]);
            let widest =
                text.lines().filter(|line| !line.contains("type:")).map(|line| line.chars().count()).max();
            assert!(code == 1 && widest <= Some(usize::from(columns).max(4)), "{columns}: {text}");
        }
        valid(&six.home.status());
    }
    assert!(six.server.families_revoked() <= 1);
}

#[test]
fn every_server_that_is_not_refreshed_says_why() {
    let mut many = Many::new();
    let (code, text, remarks) = many.home.told(&["status"]);
    let show = std::env::var_os("SHOW").is_some();
    for columns in [120, 80, 60, 40, 20] {
        let (_, table) = shown(&many.home, columns, &[UTF8, PLAIN]);
        if show {
            eprintln!("=== {columns}\n{table}");
        }
        let widest = table.lines().map(width).max().unwrap();
        assert!(widest <= usize::from(columns), "{columns}: {table}");
    }
    if show {
        eprintln!("=== pipe {code}\n{text}\n{remarks}\n{}", many.home.told(&["status", "box"]).1);
        eprintln!("=== LANG=C\n{}", shown(&many.home, 80, &[("LANG", "C"), PLAIN]).1);
        eprintln!("=== doctor {}", many.home.told(&["history"]).1);
    }
    many.daemon.take().unwrap().terminate();
    if show {
        eprintln!(
            "=== stopped\n{}{}",
            shown(&many.home, 80, &[UTF8, PLAIN]).1,
            many.home.told(&["status"]).1
        );
    }
}

#[test]
fn one_server_is_shown_with_all_that_is_known() {
    let six = Six::new();
    let (code, text, _) = six.home.told(&["status", "jira"]);
    assert_eq!(code, 0, "{text}");
    for (row, content) in [
        ("server", "jira"),
        ("url", "http://127.0.0.1:"),
        ("issuer", "http://127.0.0.1:"),
        ("token endpoint", "http://127.0.0.1:"),
        ("lifetime", " min"),
        ("margin", "7 min before it ends (the least margin;"),
        ("waits for", "the pause after a failure"),
        ("last result", "503"),
        ("back-off", "1 failure in a row, no request before 20"),
        ("store", ".claude/.credentials.json"),
        ("last events", "found"),
    ] {
        let line = text.lines().find(|line| line.starts_with(&format!("{row} "))).unwrap_or_default();
        assert!(line.contains(content), "{row}: {content} in {text}");
    }
    let (code, text, _) = six.home.told(&["status", "sentry"]);
    assert!(
        code == 0 && text.contains("15 min before it ends (the configured share of the lifetime)"),
        "{text}"
    );
    assert!(text.contains("a moment when no session is active"), "{text}");
    let events: Vec<_> = text.lines().skip_while(|line| !line.starts_with("last events ")).collect();
    for (event, expected) in events.iter().zip(["found ", "refreshed ", "new tokens from elsewhere "]) {
        assert!(event.contains(expected), "{text}");
    }
    assert_eq!(events.len(), 3, "{text}");
}

#[test]
fn history_findings_and_one_server_fit_their_terminal_too() {
    let six = Six::new();
    for arguments in [&["history"][..], &["doctor", "--offline"], &["status", "jira"], &["status", "notion"]]
    {
        for columns in [20, 80, 120] {
            let (_, text) = shown_by(&six.home, arguments, columns, &[UTF8, PLAIN]);
            assert!(!text.contains('\u{1b}') && text.lines().count() > 5, "{arguments:?}: {text}");
            // What is there to be copied is never broken, and no word is: on 20 columns an address or a date has no room.
            let copied = |line: &str| {
                ["  cure", "  where", "type ", "if that fails "].iter().any(|label| line.starts_with(label))
            };
            let limit = if columns == 20 { 48 } else { usize::from(columns) };
            let widest = text.lines().filter(|line| !copied(line)).max_by_key(|line| line.chars().count());
            assert!(
                widest.is_none_or(|line| line.chars().count() <= limit),
                "{columns}: {widest:?} in {text}"
            );
            assert!(shown_by(&six.home, arguments, columns, &[("LC_ALL", "C"), PLAIN]).1.is_ascii());
        }
    }
    let (_, text) = shown_by(&six.home, &["history"], 80, &[UTF8]);
    assert!(text.contains('█') && text.contains("\u{1b}[32m"), "{text}");
    let (_, text) = shown_by(&six.home, &["history"], 80, &[("LC_ALL", "C"), PLAIN]);
    assert!(text.contains('#') && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn followed_on_a_terminal_it_is_redrawn_in_place_when_something_changes() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(5 * HOUR))]);
    let daemon = home.daemon();
    let mut command = home.command(&["status", "--watch"]);
    command.env("TERM", "xterm").envs([UTF8, PLAIN]);
    let mut screen = Terminal::start(command, 80, 24);
    let first = screen.wait_for("\u{1b}[?7h");
    assert!(first.contains("lab     fresh") && !first.contains("\u{1b}[2J"), "{first:?}");
    // Minutes pass before "4 h 59 min" changes.
    assert!(screen.is_quiet_for(Duration::from_millis(1500)));

    // Longer than a second after the last frame: a change is shown within two.
    let dead = json!({"mcpOAuth": {"stub|00": {"serverName": "stub", "serverUrl": "https://x.example", "accessToken": ""}}});
    home.store(&dead.to_string());
    let second = screen.wait_for("type: claude mcp login stub");
    assert!(second.contains("\r\u{1b}[2A") && !second.contains("\u{1b}[2J"), "{second:?}");
    assert!(second.contains("\u{1b}[K"), "{second:?}");
    screen.wait_for("\u{1b}[?7h");

    let pid = Pid::from_child(&screen.process);
    screen.resize(20, 4);
    kill_process(pid, Signal::WINCH).unwrap();
    let third = screen.wait_for("\u{1b}[?7h");
    assert!(third.contains("\u{1b}[H\u{1b}[2J") && third.matches("\r\n").count() <= 3, "{third:?}");

    daemon.terminate();
    screen.resize(80, 24);
    kill_process(pid, Signal::WINCH).unwrap();
    screen.wait_for("the agent does not run");
    screen.wait_for("\u{1b}[?7h");
    kill_process(pid, Signal::INT).unwrap();
    let (code, rest) = screen.end();
    assert_eq!((code, rest.as_str()), (1, "\r\u{1b}[K"));
}

#[test]
fn followed_without_a_terminal_each_change_is_a_line() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(HOUR))]);
    let daemon = home.daemon();
    // Its standard output instead of its standard error, which is what the support code reads.
    let mut shell = Command::new("/bin/sh");
    let program = home.command(&[]).get_program().to_owned();
    shell.args(["-c", "exec \"$0\" status --watch 1>&2"]).arg(program).env_clear().env("HOME", home.path());
    let mut lines = Daemon::start(shell);
    let first = lines.wait_for("lab  fresh  ");
    assert!(!first.contains('\u{1b}'), "{first:?}");
    let (code, _, _) = home.told(&["refresh", "--force"]);
    assert_eq!(code, 0);
    lines.wait_for("left  refreshed");
    daemon.terminate();
    lines.wait_for("the agent does not run");
    let (end, said) = lines.terminate();
    assert_eq!((end.code(), said.lines().count()), (Some(3), 3), "{said}");
}

#[test]
fn a_follower_that_went_away_is_no_error() {
    let home = Home::new();
    let mut command = home.command(&["status", "--watch"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(3), &b""[..]));
}

#[test]
fn a_follower_that_leaves_later_is_noticed_though_nothing_changes() {
    let home = Home::new();
    let mut child =
        home.command(&["status", "--watch"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
    drop(child.stdout.take());
    let end = Instant::now() + crate::support::PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("it goes on for nobody");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

/// 50 ms are promised for a release build on an idle machine; here a debug build on a busy one is judged.
const GENEROUS: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 250 });

#[test]
fn two_hundred_servers_are_shown_at_once_with_the_daemon_and_without_it() {
    let server = Server::start(Script::default()).unwrap();
    let site = server.add("many", Script::default());
    let grants: Vec<_> = (0..200).map(|number| (format!("server{number}"), site.grant(HOUR))).collect();
    let home = Home::new();
    let mut entries = serde_json::Map::new();
    for (name, grant) in &grants {
        entries.insert(grant.key(name), grant.entry(name));
    }
    home.store(&json!({"mcpOAuth": entries}).to_string());
    let measured = |what: &str| {
        let mut times: Vec<_> = (0..11)
            .map(|_| {
                let began = Instant::now();
                let output = home.run(&["status"]);
                let took = began.elapsed();
                assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 200);
                took
            })
            .collect();
        times.sort();
        eprintln!("status of 200 servers {what}: {:.1?} (median of 11), {:.1?} at most", times[5], times[10]);
        assert!(times[5] < GENEROUS, "{what}: {times:?}");
    };
    measured("from the disk");
    let daemon = home.daemon();
    measured("from the daemon");
    daemon.terminate();
    assert_eq!(server.token_requests_by("mcp-refreshd"), 0);
}
