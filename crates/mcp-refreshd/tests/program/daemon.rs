//! The real program against a real server on loopback: what it does as an agent.

use crate::support::{Daemon, Home, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use scripted_server::{Answer, Kind, Script, Server};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const EXPIRED: Duration = Duration::ZERO;

#[test]
fn an_expired_entry_is_refreshed_at_once_and_written_back() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    let home = Home::with([("lab", &grant)]);
    let mut daemon = Daemon::start(home.command(&["run"]));
    let line = daemon.wait_for("lab: refreshed");
    assert!(line.contains("valid for"), "{line}");

    let stored: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
    let entry = &stored["mcpOAuth"][grant.key("lab")];
    assert!(lab.accepts(entry["accessToken"].as_str().unwrap()));
    assert_ne!(entry["refreshToken"], grant.refresh_token.as_str());
    assert_eq!(server.token_requests_by("mcp-refreshd"), 1);

    let (code, told, _) = home.told(&["status"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with("lab  fresh  "), "{told}");
    let (end, log) = daemon.terminate();
    assert!(end.success());
    for token in [&grant.refresh_token, &grant.access_token, entry["refreshToken"].as_str().unwrap()] {
        assert!(!log.contains(token), "{log}");
    }
}

#[test]
fn an_entry_that_appears_while_it_runs_is_noticed() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::new();
    let mut daemon = home.daemon();
    home.store(&scripted_server::credentials_json([("lab", &lab.grant(EXPIRED))]));
    daemon.wait_for("lab: refreshed");
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_missing_storage_folder_is_waited_for_and_told_once() {
    let home = Home::new();
    let daemon = home.daemon();
    let (code, told, _) = home.told(&["status"]);
    assert_eq!((code, told.as_str()), (0, ""));
    let (end, log) = daemon.terminate();
    assert!(end.success());
    assert_eq!(log.matches("does not exist yet").count(), 1, "{log}");
}

#[test]
fn the_running_agent_reports_its_status() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(HOUR);
    let home = Home::with([("lab", &grant)]);
    let daemon = home.daemon();
    let status = home.status();
    assert_eq!(status["format_version"], 1);
    assert_eq!(status["agent"]["running"], true);
    assert_eq!(status["agent"]["pid"], daemon.pid());
    let lab = &status["servers"][0];
    assert_eq!((&lab["name"], &lab["state"]), (&"lab".into(), &"fresh".into()));
    assert_eq!(lab["store"], home.credentials().to_str().unwrap());
    assert_eq!(lab["action"], serde_json::Value::Null);
    assert_eq!(server.token_requests_by("mcp-refreshd"), 0);
}

#[test]
fn the_agent_does_a_requested_refresh() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(HOUR))]);
    let mut daemon = home.daemon();
    let (code, told, _) = home.told(&["refresh", "lab"]);
    assert_eq!(code, 0);
    assert!(told.starts_with("lab: not due, "), "{told}");
    assert_eq!(lab.refreshes(), 0);
    let (code, told, _) = home.told(&["refresh", "lab", "--force"]);
    assert_eq!(code, 0);
    assert!(told.starts_with("lab: refreshed, valid for "), "{told}");
    assert_eq!(lab.refreshes(), 1);
    daemon.wait_for("lab: refreshed");
}

#[test]
fn the_refresh_that_finds_a_login_ended_says_at_once_what_to_type() {
    let server = Server::start(Script::default()).unwrap();
    let (dead, gone) = (server.add("dead", Script::default()), server.add("gone", Script::default()));
    // An agent finds out by itself about a token that has expired.
    for (force, by_the_agent) in [(false, false), (true, false), (true, true)] {
        let left = if force { HOUR } else { Duration::ZERO };
        let (one, other) = (dead.grant(left), gone.grant(left));
        let home = Home::with([("dead", &one), ("gone", &other)]);
        assert!(dead.kill(&one.refresh_token) && gone.prune_client(&other.client_id));
        let daemon = by_the_agent.then(|| home.daemon());
        let told = |name: &str| {
            let arguments: Vec<_> = ["refresh", name].into_iter().chain(force.then_some("--force")).collect();
            home.told(&arguments)
        };
        let (code, ended, said) = told("dead");
        assert!(code == 1 && ended.starts_with("dead: login ended: "), "{ended}{said}");
        assert!(ended.ends_with("type: claude mcp login dead\n"), "{ended}");
        assert_eq!(ended.contains("; to log in now, type: "), force, "{ended}");
        let (code, ended, said) = told("gone");
        assert!(code == 1 && ended.starts_with("gone: registration gone: "), "{ended}{said}");
        assert!(ended.ends_with("type: claude mcp logout gone && claude mcp login gone\n"), "{ended}");
        drop(daemon);
    }
}

#[test]
fn a_forced_refresh_that_could_end_the_login_says_why_it_waits_and_how_long() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(Duration::from_secs(3600)))]);
    let force = || home.told(&["refresh", "lab", "--force"]);
    // The answer is lost; so are those to the two early retries, which touch nothing.
    lab.answer_always(Answer::dropped());
    let (code, told, _) = force();
    assert_eq!((code, lab.count(|entry| entry.kind == Kind::Token)), (1, 3), "{told}");
    lab.answer_always(Answer::default());
    for run in ["by the command itself", "by the agent"] {
        let daemon = (run == "by the agent").then(|| home.daemon());
        let (code, told, said) = force();
        assert_eq!((code, said.as_str()), (1, ""), "{run}");
        for part in ["lab: not retried: ", "may end the login", "is valid for 1 h", "retry in "] {
            assert!(told.contains(part), "{run}: {part}: {told}");
        }
        assert!(told.ends_with("type: claude mcp login lab\n"), "{run}: {told}");
        let (code, told, _) = home.told(&["refresh", "lab"]);
        assert_eq!((code, told.as_str()), (0, "lab: not due, 1 h left\n"), "{run}");
        let (_, told, _) = home.told(&["refresh", "lab", "--force", "--dry-run"]);
        assert!(told.starts_with("lab: would be left alone: an answer was lost"), "{run}: {told}");
        drop(daemon);
    }
    assert_eq!(lab.count(|entry| entry.kind == Kind::Token), 3);
}

#[test]
fn a_second_agent_is_refused_with_the_first_ones_process_id() {
    let home = Home::new();
    let daemon = home.daemon();
    let (code, _, told) = home.told(&["run"]);
    assert_eq!(code, 1);
    assert!(told.contains(&format!("process {}", daemon.pid())), "{told}");
}

#[test]
fn a_signal_lets_a_request_in_flight_finish() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_secs(1)));
    let grant = lab.grant(EXPIRED);
    let home = Home::with([("lab", &grant)]);
    let mut daemon = home.daemon();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    daemon.signal(Signal::INT);
    daemon.wait_for("SIGINT: stopping");
    daemon.signal(Signal::INT);
    daemon.wait_for("still waiting");
    let (end, log) = daemon.end();
    assert!(end.success(), "{log}");
    assert!(log.contains("lab: refreshed"), "{log}");
    assert!(!home.stored().contains(&grant.refresh_token));
    assert!(!home.state().join("control.sock").exists());
}

#[test]
fn a_requested_refresh_is_answered_even_if_the_agent_stops() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_millis(500)));
    let home = Home::with([("lab", &lab.grant(HOUR))]);
    let daemon = home.daemon();
    let mut asking = home.command(&["refresh", "lab", "--force"]);
    let asking = asking.stdout(Stdio::piped()).spawn().unwrap();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    assert!(daemon.terminate().0.success());
    let told = asking.wait_with_output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.starts_with("lab: refreshed"), "{text}");
}

#[test]
fn one_agent_watches_several_stores() {
    let server = Server::start(Script::default()).unwrap();
    let (one, two) = (server.add("one", Script::default()), server.add("two", Script::default()));
    let home = Home::with([("one", &one.grant(EXPIRED))]);
    let work = home.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let text = scripted_server::credentials_json([("two", &two.grant(EXPIRED))]);
    std::fs::write(work.join(".credentials.json"), text).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("refreshed, valid for");
    daemon.wait_for("refreshed, valid for");
    let (code, told, _) = home.told(&["status"]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!((code, lines.len()), (0, 2), "{told}");
    assert!(lines[0].starts_with("one  fresh") && lines[0].ends_with("/.claude/.credentials.json"), "{told}");
    assert!(lines[1].starts_with("two  fresh") && lines[1].ends_with("/work/.credentials.json"), "{told}");
}

#[test]
fn a_store_that_cannot_be_read_or_is_half_written_holds_up_no_other() {
    let server = Server::start(Script::default()).unwrap();
    let (one, two) = (server.add("one", Script::default()), server.add("two", Script::default()));
    let home = Home::with([("one", &one.grant(EXPIRED))]);
    let text = home.stored();
    home.store(&text[..text.len() / 2]);
    let work = home.path().join("work");
    std::fs::create_dir_all(&work).unwrap();
    // A folder in the document's place.
    std::fs::create_dir_all(home.path().join("broken/.credentials.json")).unwrap();
    let second = scripted_server::credentials_json([("two", &two.grant(EXPIRED))]);
    std::fs::write(work.join(".credentials.json"), second).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/broken\", \"~/work\"]\n");
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("two: refreshed, valid for");
    let (code, told, said) = home.told(&["status"]);
    let told = format!("{told}{said}");
    assert!(
        code == 4 && told.contains("ends unexpectedly") && told.contains("is not a regular file"),
        "{told}"
    );
    assert_eq!(server.token_requests_by("mcp-refreshd"), 1);
    // The rest of it comes: nothing of it was forgotten.
    home.store(&text);
    daemon.wait_for("one: refreshed, valid for");
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (2, 0));
}

#[test]
fn a_store_that_is_reached_twice_is_kept_once() {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(EXPIRED))]);
    std::os::unix::fs::symlink(home.path().join(".claude"), home.path().join("link")).unwrap();
    let work = home.path().join("work");
    std::fs::create_dir(&work).unwrap();
    std::os::unix::fs::symlink(home.credentials(), work.join(".credentials.json")).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/link\", \"~/work\"]\n");
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("refreshed, valid for");
    assert_eq!(home.status()["servers"].as_array().unwrap().len(), 1);
    assert_eq!((server.token_requests_by(""), server.reuses_by("")), (1, 0));
}

#[test]
fn sighup_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(HOUR);
    let home = Home::with([("lab", &grant)]);
    let mut daemon = home.daemon();

    home.configure("[servers.lab]\nignor = true\n");
    daemon.signal(Signal::HUP);
    let line = daemon.wait_for("the old configuration stays in effect");
    assert!(
        line.contains("config.toml:2: unknown key `servers.lab.ignor`; did you mean `ignore`?"),
        "{line}"
    );
    assert_eq!(home.status()["servers"][0]["state"], "fresh");

    home.configure("[servers.lab]\nignore = true\n[log]\nformat = \"json\"\n");
    daemon.signal(Signal::HUP);
    let line = daemon.wait_for("configuration reloaded");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["level"], "info");
    assert_eq!(home.status()["servers"][0]["state"], "ignored");
}

#[test]
fn after_a_kill_the_next_agent_starts_and_clients_know_that_none_ran() {
    let home = Home::new();
    let daemon = home.daemon();
    daemon.signal(Signal::KILL);
    daemon.end();
    assert!(home.state().join("control.sock").exists());
    let (code, _, told) = home.told(&["status"]);
    assert_eq!(code, 3);
    assert!(told.contains("Agent not running"), "{told}");
    assert!(home.daemon().terminate().0.success());
}

#[test]
fn everything_it_creates_is_private() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(EXPIRED);
    let home = Home::with([("lab", &grant)]);
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("lab: refreshed");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.state()), 0o700);
    let made: Vec<_> = std::fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(made.len() >= 3, "{made:?}");
    for path in made {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&home.credentials()), 0o600);
}

#[test]
fn the_journal_gets_a_priority_and_no_time_of_ours() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let stream = rustix::fs::fstat(&writer).unwrap();
    let mut command = home.command(&["run"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stream.st_dev, stream.st_ino)).stderr(writer);
    let mut process = command.spawn().unwrap();
    drop(command);
    let line = BufReader::new(reader)
        .lines()
        .map(Result::unwrap)
        .find(|line| line.contains("started (process"))
        .unwrap();
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    assert!(process.wait().unwrap().success());
    assert!(line.starts_with("<6>INFO  mcp-refreshd "), "{line}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the limits of a process are read from /proc")]
fn no_core_dump_and_no_other_process_shows_its_memory() {
    let home = Home::new();
    let daemon = home.daemon();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[test]
fn the_service_manager_is_told_readiness_status_and_stop() {
    let home = Home::new();
    let place = home.path().join("notify.sock");
    let manager = std::os::unix::net::UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = home.command(&["run"]);
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "200000");
    let daemon = Daemon::start(command);
    let ready = heard();
    assert!(ready.starts_with("READY=1\nSTATUS=0 servers"), "{ready}");
    assert_eq!(heard(), "WATCHDOG=1\n");
    assert_eq!(heard(), "WATCHDOG=1\n");
    daemon.signal(Signal::HUP);
    let reloading = std::iter::repeat_with(heard).find(|told| told != "WATCHDOG=1\n").unwrap();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(heard().starts_with("READY=1\n"));
    daemon.signal(Signal::TERM);
    assert!(std::iter::repeat_with(heard).any(|told| told == "STOPPING=1\n"));
    assert!(daemon.end().0.success());
}
