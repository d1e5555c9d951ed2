//! A new version takes over from an old one: the refresh on the wire, the journal, the records, and what comes from the future.

use crate::support::{Daemon, Home, PATIENCE};
use rustix::process::Signal;
use scripted_server::{Answer, Script, Server};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const EXPIRED: Duration = Duration::ZERO;
/// Set to anything, `fixtures/state-<version>` is made by this program instead of read by it. To be done once for each version of
/// the formats, with the last program that writes it; what is there already stays.
const WRITE: &str = "WRITE_STATE_FIXTURE";

/// A home with one expired login at a server that takes its time, and the old agent with the request on the wire.
fn in_the_middle_of_a_refresh(
    lab: &scripted_server::Site,
    server: &Server,
    answer: Answer,
) -> (Home, Daemon) {
    lab.answer_next(answer);
    let home = Home::with([("lab", &lab.grant(EXPIRED))]);
    let old = Daemon::start(home.command(&["run"]));
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    (home, old)
}

#[test]
fn a_new_agent_waits_until_the_old_one_has_its_answer() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let slow = Answer::default().after(Duration::from_secs(2));
    let (home, mut old) = in_the_middle_of_a_refresh(&lab, &server, slow);
    let before = home.stored();
    old.signal(Signal::TERM);
    old.wait_for("waiting for 1 refresh");

    let mut new = Daemon::start(home.command(&["run"]));
    let line = new.wait_for("waiting for the previous agent to exit");
    assert!(line.contains(&format!("process {}", old.pid())), "{line}");
    assert_eq!(home.stored(), before);
    new.wait_for("started (process");
    let (end, log) = old.end();
    assert!(end.success() && log.contains("lab: refreshed"), "{log}");

    assert_eq!((lab.refreshes(), server.reuses_by("")), (1, 0));
    assert_eq!(home.status()["servers"][0]["state"], "fresh");
    assert_eq!(home.status()["agent"]["pid"], new.pid());
    assert!(new.terminate().0.success());
}

#[test]
fn an_agent_that_is_asked_to_stop_has_its_answer_first() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let slow = Answer::default().after(Duration::from_secs(2));
    let (home, mut agent) = in_the_middle_of_a_refresh(&lab, &server, slow);
    let mut socket = UnixStream::connect(home.state().join("control.sock")).unwrap();
    socket.write_all(b"{\"protocol\":1,\"version\":\"0.1.0\",\"request\":\"stop\"}\n").unwrap();
    let mut reply = String::new();
    BufReader::new(socket).read_line(&mut reply).unwrap();
    assert!(reply.contains("\"reply\":\"stopping\""), "{reply}");
    agent.wait_for("waiting for 1 refresh");
    let (end, log) = agent.end();
    assert!(end.success() && log.contains("asked to stop") && log.contains("lab: refreshed"), "{log}");
    assert_eq!((lab.refreshes(), server.reuses_by("")), (1, 0));
}

#[test]
fn an_agent_that_is_not_ending_is_not_waited_for() {
    let home = Home::new();
    let old = home.daemon();
    let (code, _, said) = home.told(&["run"]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("mcp-refreshd is already running (process {})", old.pid())), "{said}");
}

#[test]
fn after_a_kill_on_the_wire_the_next_agent_knows_that_the_token_may_be_spent() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let (home, old) =
        in_the_middle_of_a_refresh(&lab, &server, Answer::default().before(Duration::from_secs(60)));
    old.signal(Signal::KILL);
    old.end();
    let mut new = Daemon::start(home.command(&["run"]));
    new.wait_for("the refresh token may be spent");
    // A second presentation right now could be the reuse that ends the login.
    assert_eq!(server.count(|entry| entry.field("refresh_token").is_some()), 1);
    assert_eq!(home.status()["servers"][0]["last_refresh"]["outcome"], "ambiguous");
    assert!(new.terminate().0.success());
}

#[test]
fn what_a_newer_version_wrote_is_refused_with_what_to_do_and_left_alone() {
    for (file, content) in [
        ("journal", "{\"journal\":{\"version\":99}}\n"),
        ("state.json", "{\"format_version\":99,\"stores\":{},\"more\":1}"),
        ("records.jsonl", "{\"format_version\":99,\"more\":1}\n{\"what\":\"nobody knows yet\"}\n"),
    ] {
        let home = Home::new();
        let path = home.state().join(file);
        fs::create_dir_all(home.state()).unwrap();
        fs::write(&path, content).unwrap();
        for command in ["run", "refresh"] {
            let (code, told, said) = home.told(&[command]);
            assert_eq!((code, told.as_str()), (1, ""), "{file}, {command}: {said}");
            for part in [
                path.to_str().unwrap(),
                "written by a newer mcp-refreshd",
                "format 99",
                "run the newer version",
            ] {
                assert!(said.contains(part), "{file}, {command}: {part}: {said}");
            }
        }
        // To look changes nothing, and does not fail either.
        assert_eq!(home.told(&["status"]).0, 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(fs::read_dir(home.state()).unwrap().count(), 2, "{file}: only that and the lock");
    }
}

#[test]
fn an_agent_that_an_upgrade_left_running_is_named_with_what_to_type() {
    let home = Home::new();
    let daemon = home.daemon();
    let doctor = || home.told(&["doctor", "--offline"]).1;
    assert!(!doctor().contains("agent-other-version"));
    // The same agent as an older one would present itself.
    let lock = home.state().join("lock");
    let told = fs::read_to_string(&lock).unwrap();
    let socket = PathBuf::from(told.lines().nth(1).unwrap());
    let between = home.path().join("older.sock");
    let listener = UnixListener::bind(&between).unwrap();
    fs::write(&lock, told.replace(socket.to_str().unwrap(), between.to_str().unwrap())).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut agent) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
            let mut line = String::new();
            BufReader::new(&client).read_line(&mut line).unwrap();
            agent.write_all(line.as_bytes()).unwrap();
            line.clear();
            BufReader::new(&agent).read_line(&mut line).unwrap();
            let ours = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
            assert!(line.contains(&ours), "{line}");
            client.write_all(line.replace(&ours, "\"version\":\"0.0.1\"").as_bytes()).unwrap();
        }
    });
    let told = doctor();
    for part in ["agent-other-version", "mcp-refreshd 0.0.1", "then start it again as before"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(daemon.terminate().0.success());
}

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/state-{version}"))
}

/// An old agent died with a pair that was in its journal only. Its state folder is here as that version wrote it.
#[test]
fn the_state_of_every_older_version_is_read_and_its_journal_brought_to_its_end() {
    if std::env::var_os(WRITE).is_some() {
        write_fixture(&fixture(2));
    }
    for (version, records) in [(1, "state.json"), (2, "records.jsonl")] {
        let home = Home::new();
        let read = |name: &str| {
            let text = fs::read_to_string(fixture(version).join(name)).unwrap();
            text.replace("@HOME@", home.path().to_str().unwrap())
        };
        home.store(&read("credentials.json"));
        fs::create_dir_all(home.state()).unwrap();
        for name in ["journal", records] {
            fs::write(home.state().join(name), read(name)).unwrap();
            fs::set_permissions(home.state().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut daemon = Daemon::start(home.command(&["run"]));
        daemon.wait_for("a new pair was received and is now in the store");
        let status = home.status();
        let named = |name: &str| {
            let servers = status["servers"].as_array().unwrap();
            servers.iter().find(|server| server["name"] == name).unwrap().clone()
        };
        // What the records said of an entry that is as it was: the server called its refresh token dead.
        assert_eq!(named("gone")["state"], "action_required", "{status}");
        assert_eq!(named("gone")["last_refresh"]["outcome"], "dead", "{status}");
        assert!(daemon.terminate().0.success());
        assert_eq!(home.stored(), read("credentials.after.json"));
        assert!(!home.state().join("state.json").exists(), "an older version's file would mislead it");
        assert!(home.state().join("records.jsonl").exists());
        let journal = fs::read_to_string(home.state().join("journal")).unwrap();
        assert_eq!(journal.lines().count(), 1, "nothing is open any more: {journal}");
    }
}

/// Makes an agent of this version die with a pair in its journal, and keeps what it leaves.
fn write_fixture(folder: &Path) {
    let server = Server::start(Script::default()).unwrap();
    let (lab, gone) = (server.add("lab", Script::default()), server.add("gone", Script::default()));
    let dead = gone.grant(EXPIRED);
    assert!(gone.kill(&dead.refresh_token));
    let home = Home::with([("lab", &lab.grant(EXPIRED)), ("gone", &dead)]);
    let before = home.stored();
    // Somebody holds the storage lock, and is alive.
    let lock = home.path().join(".claude/.storage-write.lock");
    fs::create_dir(&lock).unwrap();
    let held = Arc::new(AtomicBool::new(true));
    let holder = std::thread::spawn({
        let (held, lock) = (Arc::clone(&held), lock.clone());
        move || {
            while held.load(Ordering::Relaxed) {
                fs::File::open(&lock).unwrap().set_modified(SystemTime::now()).unwrap();
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    });
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("gone: login ended");
    daemon.wait_for("lab: the new tokens could not be saved");
    daemon.signal(Signal::KILL);
    daemon.end();
    held.store(false, Ordering::Relaxed);
    holder.join().unwrap();
    fs::remove_dir(&lock).unwrap();

    fs::create_dir_all(folder).unwrap();
    let address = server.address().to_string();
    let keep = |name: &str, text: &str| {
        let text = text.replace(home.path().to_str().unwrap(), "@HOME@").replace(&address, "127.0.0.1:9");
        fs::write(folder.join(name), text).unwrap();
    };
    keep("credentials.json", &before);
    for name in ["journal", "records.jsonl"] {
        keep(name, &fs::read_to_string(home.state().join(name)).unwrap());
    }
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("is now in the store");
    assert!(daemon.terminate().0.success());
    keep("credentials.after.json", &home.stored());
}
