//! Other users of the machine, and what they may have left in the agent's folders: what docs/security.md promises against them.
//!
//! What needs a second user needs root, and is also a step of `.ci/run`.

use crate::support::{Daemon, Home};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use scripted_server::{Script, Server};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Somebody else.
const NEIGHBOUR: u32 = 12345;

fn without_root(what: &str) -> bool {
    let without = !rustix::process::geteuid().is_root();
    if without {
        eprintln!("SKIPPED: {what} needs root: .ci/run does it");
    }
    without
}

fn home() -> (Server, Home) {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(Duration::ZERO))]);
    fs::create_dir_all(home.state()).unwrap();
    (server, home)
}

/// The agent does not start, says why, and asks nobody; when the thing is gone it works.
fn refused(what: &str, server: &Server, home: &Home, thing: &Path, said: &[&str]) {
    let (end, log) = Daemon::start(home.command(&["run"])).end();
    assert!(!end.success(), "{what}: {log}");
    for word in said.iter().chain(&[thing.to_str().unwrap()]) {
        assert!(log.contains(word), "{what}: no \"{word}\" in: {log}");
    }
    assert_eq!(server.log().len(), 0, "{what}: somebody was asked");
    fs::remove_file(thing).or_else(|_| fs::remove_dir_all(thing)).unwrap();
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("lab: refreshed");
    assert!(daemon.terminate().0.success());
}

#[test]
fn what_is_planted_in_the_place_of_lock_or_journal_is_refused_and_nothing_behind_it_is_touched() {
    for name in ["lock", "journal"] {
        for kind in ["link", "dangling link", "fifo", "folder"] {
            let (server, home) = home();
            let thing = home.state().join(name);
            let precious = home.path().join("precious");
            fs::write(&precious, "mine").unwrap();
            match kind {
                "link" => symlink(&precious, &thing).unwrap(),
                "dangling link" => symlink(home.path().join("nothing"), &thing).unwrap(),
                "fifo" => mknodat(CWD, &thing, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
                _ => fs::create_dir(&thing).unwrap(),
            }
            refused(&format!("{name} as a {kind}"), &server, &home, &thing, &[]);
            assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
            assert!(!home.path().join("nothing").exists());
        }
    }
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    // A single broken line would be the header of a journal that a power cut destroyed.
    for text in ["rubbish\nand more\n", "{}\n[]\n", "accessToken=at_1\nrefreshToken=rt_1\n"] {
        let (server, home) = home();
        let journal = home.state().join("journal");
        fs::write(&journal, text).unwrap();
        let (before, stored) = (fs::read(&journal).unwrap(), home.stored());
        let (end, log) = Daemon::start(home.command(&["run"])).end();
        assert!(!end.success() && log.contains(journal.to_str().unwrap()), "{text:?}: {log}");
        assert!(fs::read(&journal).unwrap() == before && home.stored() == stored, "{text:?}");
        assert_eq!(server.log().len(), 0);
    }
}

#[test]
fn what_another_user_left_in_the_state_folder_is_not_believed() {
    if without_root("giving files away") {
        return;
    }
    for name in ["records.jsonl", "state.json", "journal", "lock", "history.jsonl", "notices.json"] {
        let (server, home) = home();
        fs::set_permissions(home.state(), Permissions::from_mode(0o777)).unwrap();
        let planted = home.state().join(name);
        fs::write(&planted, "{}").unwrap();
        fs::set_permissions(&planted, Permissions::from_mode(0o666)).unwrap();
        chown(&planted, Some(NEIGHBOUR), None).unwrap();
        refused(name, &server, &home, &planted, &["belongs to user 12345", "move it away"]);
        let mode = fs::metadata(home.state()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_state_folder_of_another_user_is_refused_also_behind_a_link() {
    if without_root("giving folders away") {
        return;
    }
    for case in ["theirs", "a link of theirs", "a link of ours to theirs"] {
        let (server, home) = home();
        fs::remove_dir(home.state()).unwrap();
        let other = home.path().join("other");
        fs::create_dir(&other).unwrap();
        match case {
            "theirs" => fs::rename(&other, home.state()).unwrap(),
            _ => symlink(&other, home.state()).unwrap(),
        }
        match case {
            "a link of theirs" => lchown(home.state(), Some(NEIGHBOUR), None).unwrap(),
            _ => chown(home.state(), Some(NEIGHBOUR), None).unwrap(),
        }
        refused(case, &server, &home, &home.state(), &["belongs to user 12345"]);
    }
}

#[test]
fn a_runtime_folder_of_another_user_is_passed_over() {
    if without_root("giving folders away") {
        return;
    }
    for linked in [false, true] {
        let (_server, home) = home();
        let runtime = home.path().join("run");
        let theirs = home.path().join("theirs");
        fs::create_dir(&runtime).unwrap();
        fs::create_dir(&theirs).unwrap();
        chown(&theirs, Some(NEIGHBOUR), None).unwrap();
        match linked {
            true => symlink(&theirs, runtime.join("mcp-refreshd")).unwrap(),
            false => fs::rename(&theirs, runtime.join("mcp-refreshd")).unwrap(),
        }
        let mut command = home.command(&["run"]);
        command.env("XDG_RUNTIME_DIR", &runtime);
        let mut daemon = Daemon::start(command);
        daemon.wait_for("lab: refreshed");
        assert!(home.state().join("control.sock").exists());
        assert_eq!(fs::read_dir(runtime.join("mcp-refreshd")).unwrap().count(), 0);
        assert_eq!(home.told(&["status"]).0, 0);
        let (_, log) = daemon.terminate();
        assert!(log.contains("belongs to user 12345"), "{log}");
    }
}

/// Connects, asks for the status, and prints what comes.
const ASK: &str = r#"use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection: $!";
$SIG{PIPE} = "IGNORE"; print $s "{\"protocol\":1,\"version\":\"0\",\"request\":\"status\"}\n"; $s->flush; local $/; print "got: ", <$s> // "";"#;

#[test]
fn a_process_of_another_user_gets_no_answer_even_where_the_socket_lets_it_in() {
    if without_root("a process of another user") {
        return;
    }
    let (_server, home) = home();
    let mut daemon = home.daemon();
    // Somebody loosened everything.
    let socket = home.state().join("control.sock");
    let mut folder = socket.as_path();
    while let Some(above) = folder.parent().filter(|above| above.starts_with(home.path())) {
        fs::set_permissions(above, Permissions::from_mode(0o755)).unwrap();
        folder = above;
    }
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let ask = |user: u32| {
        let mut perl = Command::new("perl");
        let output = perl.args(["-e", ASK]).arg(&socket).uid(user).current_dir("/").output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (got, _) = ask(0);
    assert!(got.starts_with("got: {"), "{got}");
    let (got, said) = ask(NEIGHBOUR);
    assert!(!said.contains("no connection"), "the test lets nobody in: {said}");
    assert_eq!(got, "got: ");
    daemon.wait_for("refused a connection to the socket from a process of another user");
    assert!(daemon.terminate().0.success());
}

#[test]
fn an_agent_of_another_user_is_asked_nothing() {
    if without_root("a process of another user") {
        return;
    }
    let (_server, theirs) = home();
    let (_other, ours) = home();
    // All of theirs belongs to them, and its way is open.
    let mut command = Command::new("chown");
    assert!(command.args(["-R", &NEIGHBOUR.to_string()]).arg(theirs.path()).status().unwrap().success());
    fs::set_permissions(theirs.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = theirs.command(&["run"]);
    command.uid(NEIGHBOUR).current_dir("/");
    let mut daemon = Daemon::start(command);
    daemon.wait_for("started (process");
    let socket = theirs.state().join("control.sock");
    fs::write(ours.state().join("lock"), format!("{}\n{}\n", daemon.pid(), socket.display())).unwrap();
    let (_, told, said) = ours.told(&["status"]);
    assert!(said.contains("belongs to another user; nothing was sent to it"), "{told}{said}");
    assert!(daemon.terminate().0.success());
}
