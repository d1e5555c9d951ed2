//! The real program against a real server: what is kept of what happened, and who is told.

use crate::support::terminal::Terminal;
use crate::support::{Daemon, Home, PATIENCE};
use rustix::process::Signal;
use scripted_server::{Answer, Script, Server, Site, credentials_json};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const EXPIRED: Duration = Duration::ZERO;

fn history(home: &Home) -> serde_json::Value {
    let output = home.run(&["history", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn events(history: &serde_json::Value, server: &str) -> Vec<String> {
    let events = history["events"].as_array().unwrap().iter();
    let of_it = events.filter(|event| event["server"] == server);
    of_it.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the history says this of a server.
fn wait_for(home: &Home, server: &str, expected: &[&str]) -> serde_json::Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let now = history(home);
        let events = events(&now, server);
        if events == expected {
            return now;
        }
        assert!(Instant::now() < end, "{server}: {events:?} instead of {expected:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A trouble that a person is called for at once: a token that is called dead is looked at again first, for eleven minutes.
fn forgets_its_client(site: &Site) {
    site.answer_always(Answer::error(401, "invalid_client", "no such client"));
}

/// Everything that the hook has written, once there is something.
fn hooked(home: &Home) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(home.path().join("hooked")).unwrap_or_default();
        if text.ends_with("end\n") {
            return text;
        }
        assert!(Instant::now() < end, "the hook was never called");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn everything_that_happens_to_a_login_is_in_the_history() {
    let server = Server::start(Script::default()).unwrap();
    let (lab, other) = (server.add("lab", Script::default()), server.add("other", Script::default()));
    let (due, first, second) = (lab.grant(EXPIRED), other.grant(HOUR), other.grant(HOUR));
    let home = Home::with([("lab", &due), ("other", &first)]);
    let daemon = home.daemon();
    wait_for(&home, "lab", &["found", "refreshed"]);
    // Claude Code, say, writes another pair; then the user logs out.
    let lab_now = home.stored();
    home.store(&lab_now.replace(&first.refresh_token, &second.refresh_token));
    wait_for(&home, "other", &["found", "adopted"]);
    home.store(&credentials_json([("other", &second)]));
    let all = wait_for(&home, "lab", &["found", "refreshed", "removed"]);

    let refreshed =
        all["events"].as_array().unwrap().iter().find(|event| event["event"] == "refreshed").unwrap();
    assert_ne!(refreshed["before"], refreshed["after"]);
    assert!(refreshed["expires_at"].is_string() && refreshed["cause"].is_string(), "{refreshed}");
    let coverage = &all["coverage"][1];
    assert_eq!((&coverage["name"], &coverage["valid_percent"]), (&"other".into(), &100.0.into()));

    assert!(daemon.terminate().0.success());
    let (code, told, said) = home.told(&["history"]);
    assert_eq!((code, said.as_str()), (0, ""));
    let (lab, other) = told.split_once('\n').unwrap();
    assert!(lab.starts_with("lab ") && lab.contains("  1 refresh  0 failures  0 logins  removed "), "{told}");
    assert!(other.starts_with("other  100.0 %  0 refreshes  ") && other.contains("  valid "), "{told}");
    let (_, told, _) = home.told(&["history", "lab"]);
    let lines: Vec<_> = told.lines().skip(2).collect();
    assert!(lines[0].contains("  lab  found ") && lines[1].contains("  lab  refreshed "), "{told}");
    assert!(lines[2].contains("  lab  removed ") && !told.contains("other"), "{told}");
    let (_, told, _) = home.told(&["history", "-n", "all"]);
    assert!(told.contains("agent started") && told.contains("agent stopped"), "{told}");
    let (_, told, _) = home.told(&["history", "-n1"]);
    assert!(told.contains("agent stopped") && told.lines().count() == 1, "{told}");
    let (code, _, said) = home.told(&["history", "THE"]);
    assert_eq!(code, 2);
    assert!(said.contains("the history has no server called THE; did you mean other?"), "{said}");

    let written = std::fs::read_to_string(home.state().join("history.jsonl")).unwrap();
    for grant in [&due, &first, &second] {
        assert!(!written.contains(&grant.refresh_token) && !written.contains(&grant.access_token));
    }
}

#[test]
fn the_picture_is_written_to_a_file() {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(EXPIRED))]);
    assert_eq!(home.told(&["refresh"]).0, 0);
    let path = home.path().join("picture.svg");
    let (code, _, said) = home.told(&["history", "--svg", path.to_str().unwrap(), "--since", "1h"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(std::fs::read_to_string(&path).unwrap().contains(">lab</text>"));
    let (code, _, said) = home.told(&["history", "--svg", "/nowhere/picture.svg"]);
    assert_eq!(code, 1);
    assert!(said.contains("cannot write the picture /nowhere/picture.svg"), "{said}");
}

#[test]
fn a_server_of_which_nothing_was_written_yet_is_known_and_no_event_is_not_nothing() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(HOUR);
    let home = Home::with([("lab", &grant)]);
    let unrecorded = "mcp-refreshd: there is no history of lab yet; the agent writes it while it runs\n";
    assert_eq!(home.told(&["history", "lab"]), (0, String::new(), unrecorded.to_owned()));
    assert_eq!(home.told(&["history", &grant.key("lab")]).0, 0);
    let (code, _, said) = home.told(&["history", "nobody"]);
    assert!(code == 2 && said.contains("the history has no server called nobody"), "{said}");

    home.daemon().terminate();
    assert_eq!(home.told(&["history", "-n", "0"]), (0, String::new(), String::new()));
    let (code, told, _) = home.told(&["history", "lab"]);
    assert!(code == 0 && told.contains("lab"), "{told}");
}

#[test]
fn before_any_login_the_history_says_that_nothing_is_recorded() {
    let home = Home::new();
    home.store("{");
    home.daemon().terminate();
    let (code, told, said) = home.told(&["history"]);
    assert_eq!((code, told.as_str()), (0, ""));
    assert!(said.contains("nothing has happened to a login yet; the history begins at 20"), "{said}");
    let (_, _, said) = home.told(&["history", "-n", "-3"]);
    assert!(said.contains("invalid value '-3' for '--lines <N>': a whole number, or all"), "{said}");
    let (_, told, said) = home.told(&["history", "-n", "all"]);
    assert!(told.contains("agent started") && said.is_empty(), "{told}{said}");
}

/// A history of one login of so many days ago, and of so many servers.
fn past(home: &Home, servers: usize, days: i64) {
    let at = |hours: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    let mut lines = format!("{{\"v\":1,\"at\":\"{}\",\"event\":\"agent_started\"}}\n", at(24 * days + 1));
    for server in 0..servers {
        lines.push_str(&format!(
            "{{\"v\":1,\"at\":\"{}\",\"event\":\"login\",\"store\":\"/s\",\"key\":\"server-{server}|00\",\"server\":\"server-{server}\",\
             \"holds\":\"tokens\",\"expires_at\":\"2099-01-01T00:00:00Z\"}}\n",
            at(24 * days)
        ));
    }
    std::fs::create_dir_all(home.state()).unwrap();
    std::fs::write(home.state().join("history.jsonl"), lines).unwrap();
}

#[test]
fn the_history_looks_back_a_week_or_as_far_as_it_is_told_and_speaks_the_users_time() {
    let home = Home::new();
    past(&home, 1, 10);
    let (code, told, _) = home.told(&["history"]);
    assert!(code == 0 && told.contains("  0 logins  "), "{told}");
    let (_, told, _) = home.told(&["history", "--since", "11d"]);
    assert!(told.contains("  1 login  logged in "), "{told}");
    let date = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 11)).to_string();
    let (_, told, _) = home.told(&["history", "--since", &date[..10]]);
    assert!(told.contains("  1 login  "), "{told}");
    let (code, _, said) = home.told(&["history", "--since", "2098-01-01"]);
    assert_eq!((code, said.contains("yet to come")), (2, true), "{said}");
    for (zone, offset) in [("UTC0", "+00:00"), ("XXX-5:30", "+05:30")] {
        let output = home.command(&["history", "-n", "all"]).env("TZ", zone).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.lines().all(|line| line[19..].starts_with(offset)), "{told}");
    }
    let (_, _, said) = home.told(&["history", "--since", "1m"]);
    assert_eq!(said, "");
}

#[test]
fn what_does_not_fit_the_terminal_goes_through_the_pager_and_nothing_else_does() {
    let home = Home::new();
    past(&home, 200, 1);
    let pager = |command: &mut std::process::Command, pager: &str| {
        command.env("TERM", "xterm").env("LANG", "C").env("PATH", "/usr/bin:/bin").env("PAGER", pager);
    };
    let on_terminal = |arguments: &[&str], wanted: &str, rows| {
        let mut command = home.command(arguments);
        pager(&mut command, wanted);
        Terminal::start(command, 80, rows).end()
    };
    let (code, text) = on_terminal(&["history"], "sed -n '3s/^/paged: /p'; echo $LESS", 24);
    assert!(code == 0 && text.starts_with("paged: server-0 ") && text.ends_with("FRX\r\n"), "{text}");
    assert!(!on_terminal(&["history"], "echo paged", 220).1.contains("paged"), "it fits");
    assert!(!on_terminal(&["history", "-n", "5"], "echo paged", 24).1.contains("paged"), "it fits");
    for none in ["", "cat"] {
        assert_eq!(on_terminal(&["history"], none, 24).1.lines().count(), 203, "{none:?}");
    }
    // One that reads nothing, and one that does not exist: its shell says so.
    assert_eq!(on_terminal(&["history"], "true", 24).0, 0);
    assert_eq!(on_terminal(&["history"], "no-such-pager 2>/dev/null", 24).0, 0);
    let mut piped = home.command(&["history"]);
    pager(&mut piped, "echo paged");
    let told = String::from_utf8(piped.output().unwrap().stdout).unwrap();
    assert_eq!((told.lines().count(), told.contains("paged")), (200, false));
}

#[test]
fn an_unreadable_history_is_a_message_and_the_agent_works() {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(EXPIRED))]);
    std::fs::create_dir_all(home.state().join("history.jsonl")).unwrap();
    let mut daemon = home.daemon();
    daemon.wait_for("lab: refreshed");
    let (code, told, said) = home.told(&["history"]);
    assert_eq!((code, told.as_str()), (1, ""));
    assert!(said.contains("history.jsonl cannot be read"), "{said}");
    let (end, log) = daemon.terminate();
    assert!(end.success());
    assert_eq!(log.matches("the history ").count(), 1, "said once\n{log}");
}

#[test]
fn the_hook_runs_once_for_each_cause_even_across_a_restart() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    forgets_its_client(&lab);
    let home = Home::with([("lab", &grant)]);
    let hooked_at = home.path().join("hooked");
    home.configure(&format!(
        "[notices]\ndesktop = false\nhook = '''env >> {0}; echo end >> {0}'''\n",
        hooked_at.display()
    ));
    let daemon = home.daemon();
    let told = hooked(&home);
    for part in [
        "SERVER=lab\n",
        "CAUSE=registration_gone\n",
        "ACTION=claude mcp logout lab && claude mcp login lab\n",
        "--no-browser",
        "/mcp",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains(&grant.refresh_token) && !told.contains(&grant.access_token), "{told}");
    wait_for(&home, "lab", &["found", "failed", "action_required"]);
    assert!(daemon.terminate().0.success());

    // The next one tells what is new only, and that comes after what would have been repeated.
    let other = server.add("other", Script::default());
    let dead = other.grant(EXPIRED);
    forgets_its_client(&other);
    std::fs::remove_file(&hooked_at).unwrap();
    home.store(&credentials_json([("lab", &grant), ("other", &dead)]));
    let daemon = home.daemon();
    let told = hooked(&home);
    assert!(told.contains("SERVER=other\n") && !told.contains("SERVER=lab\n"), "{told}");
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_hook_that_fails_is_one_line_in_the_log() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    forgets_its_client(&lab);
    let home = Home::with([("lab", &grant)]);
    home.configure("[notices]\nhook = 'echo noise; echo noise >&2; exit 7'\n");
    let mut daemon = home.daemon();
    let line = daemon.wait_for("the hook for lab");
    assert!(line.contains("failed: exit status: 7"), "{line}");
    assert!(!daemon.terminate().1.contains("noise"));
}

#[test]
fn the_desktop_notice_uses_the_systems_tool_and_follows_a_changed_configuration() {
    let server = Server::start(Script::default()).unwrap();
    let (lab, other) = (server.add("lab", Script::default()), server.add("other", Script::default()));
    let (grant, later) = (lab.grant(EXPIRED), other.grant(EXPIRED));
    forgets_its_client(&lab);
    forgets_its_client(&other);
    let home = Home::with([("lab", &grant)]);
    let tool = home.path().join("notify-send");
    std::fs::write(&tool, "#!/bin/sh\nprintf '%s\\n' \"$@\" end >> ~/hooked\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = home.command(&["run"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", home.path().display()));
    let mut daemon = Daemon::start(command);
    let told = hooked(&home);
    for part in
        ["MCP server lab needs you\n", "Type: claude mcp logout lab &amp;&amp; claude mcp login lab\n"]
    {
        assert!(told.contains(part), "{told}");
    }

    std::fs::remove_file(home.path().join("hooked")).unwrap();
    home.configure("[notices]\ndesktop = false\nhook = 'echo hook $MCP_REFRESHD_SERVER end >> ~/hooked'\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for("configuration reloaded");
    home.store(&credentials_json([("lab", &grant), ("other", &later)]));
    assert_eq!(hooked(&home), "hook other end\n");
    assert!(daemon.terminate().0.success());
}

/// A program of this name in the home folder, found before any other.
fn tool(home: &Home, name: &str, script: &str) {
    let path = home.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn daemon_with_tools(home: &Home) -> Daemon {
    let mut command = home.command(&["run"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", home.path().display()));
    Daemon::start(command)
}

#[test]
fn a_solved_notice_disappears_from_the_desktop() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    forgets_its_client(&lab);
    let home = Home::with([("lab", &grant)]);
    tool(&home, "notify-send", "printf '%s\\n' \"$@\" end >> ~/hooked; echo 4711");
    tool(&home, "gdbus", "printf '%s\\n' \"$@\" end >> ~/hooked");
    let daemon = daemon_with_tools(&home);
    let told = hooked(&home);
    assert!(told.contains("--print-id\n") && told.contains("MCP server lab needs you\n"), "{told}");
    assert_eq!(told.matches("end\n").count(), 1, "{told}");
    std::fs::remove_file(home.path().join("hooked")).unwrap();
    home.store(&credentials_json([("lab", &lab.grant(HOUR))]));
    let told = hooked(&home);
    assert!(told.ends_with("org.freedesktop.Notifications.CloseNotification\n4711\nend\n"), "{told}");
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_desktop_with_older_tools_is_told_all_the_same() {
    let server = Server::start(Script::default()).unwrap();
    let (lab, other) = (server.add("lab", Script::default()), server.add("other", Script::default()));
    let (grant, later) = (lab.grant(EXPIRED), other.grant(EXPIRED));
    forgets_its_client(&lab);
    forgets_its_client(&other);
    let home = Home::with([("lab", &grant)]);
    // Numbers are unknown to it; and where there are some, nothing but itself can take a notice back.
    tool(
        &home,
        "notify-send",
        "case \"$*\" in *--print-id*) exit 1;; esac; printf '%s\\n' \"$@\" end >> ~/hooked",
    );
    let daemon = daemon_with_tools(&home);
    let told = hooked(&home);
    assert!(told.contains("MCP server lab needs you\n") && !told.contains("-id"), "{told}");
    tool(&home, "notify-send", "printf '%s\\n' \"$@\" end >> ~/hooked; echo 4711");
    tool(&home, "gdbus", "exit 1");
    std::fs::remove_file(home.path().join("hooked")).unwrap();
    let other_now = other.grant(HOUR);
    home.store(&credentials_json([("lab", &grant), ("other", &later)]));
    assert!(hooked(&home).contains("MCP server other needs you\n"));
    std::fs::remove_file(home.path().join("hooked")).unwrap();
    home.store(&credentials_json([("lab", &grant), ("other", &other_now)]));
    let told = hooked(&home);
    assert!(told.contains("--replace-id=4711\n") && told.contains("--expire-time=1000\n"), "{told}");
    assert!(daemon.terminate().0.success());
}

#[test]
fn entries_that_vanish_at_once_are_told_with_their_cure() {
    let server = Server::start(Script::default()).unwrap();
    let (one, two) =
        (server.add("one", Script::default()).grant(HOUR), server.add("two", Script::default()).grant(HOUR));
    let home = Home::with([("one", &one), ("two", &two)]);
    home.configure("[notices]\ndesktop = false\nhook = 'env >> ~/hooked; echo end >> ~/hooked'\n");
    let daemon = home.daemon();
    home.store("{}");
    let told = hooked(&home);
    for part in ["CAUSE=entries_vanished\n", "SERVER=one, two\n", "ACTION=mcp-refreshd doctor --fix\n"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_hook_that_hangs_does_not_hold_up_the_end_and_does_not_outlive_it() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    forgets_its_client(&lab);
    let home = Home::with([("lab", &grant)]);
    home.configure("[notices]\ndesktop = false\nhook = 'sleep 600 & echo $! end > ~/hooked; wait'\n");
    let daemon = home.daemon();
    let child = hooked(&home);
    let began = Instant::now();
    assert!(daemon.terminate().0.success());
    assert!(began.elapsed() < Duration::from_secs(5));
    // Killed; whoever adopted it may not have buried it yet.
    let stat = format!("/proc/{}/stat", child.split(' ').next().unwrap());
    let gone = || std::fs::read_to_string(&stat).map_or(true, |state| state.contains(") Z "));
    while !gone() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(gone());
}
