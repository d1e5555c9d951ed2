//! `mcp-refreshd doctor`: what refreshes that do not go well leave behind, made for real with a server, and gone after the cure.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "support/findings.rs"]
mod findings;
mod support;

use findings::{HOUR, doctor, found, home_with, rewrite};
use rustix::process::Signal;
use scripted_server::{Answer, Script, Server, credentials_json};
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use support::{Home, PATIENCE};

/// Looks again until the finding is there, or gone.
fn wait_until(home: &Home, name: &str, there: bool) {
    let end = Instant::now() + PATIENCE;
    while doctor(home, &["--offline"]).has(name) != there {
        assert!(Instant::now() < end, "{:?}", doctor(home, &["--offline"]).names);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_that_keeps_refusing_is_told_from_one_that_says_the_login_has_ended() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    lab.answer_always(Answer::error(400, "unsupported_grant_type", "not today"));
    for _ in 0..3 {
        // It is asked a few times before it is believed.
        assert_eq!(found(&home), ["expired-but-refreshable"]);
        assert_eq!(home.told(&["refresh", "--force"]).0, 1);
    }
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("refresh-refused");
    assert!(finding["means"].as_str().unwrap().contains("unsupported_grant_type"), "{finding}");
    assert_eq!(finding["cure"], "claude mcp login lab");
    lab.answer_always(Answer::default());
    rewrite(&home, &credentials_json([("lab", &lab.grant(HOUR))]));
    assert!(found(&home).is_empty());
}

#[test]
fn a_token_endpoint_that_moved_is_found_and_nothing_is_sent_there() {
    let (server, elsewhere) =
        (Server::start(Script::default()).unwrap(), Server::start(Script::default()).unwrap());
    let lab = server.add("lab", Script::default());
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    assert_eq!(home.told(&["refresh"]).0, 0);
    lab.set(|script| script.token_endpoint = Some(elsewhere.add("lab", Script::default()).token_url()));
    lab.answer_always(Answer::html(404));
    // The place is gone, so the metadata is looked up again at the next try.
    for _ in 0..2 {
        let told = home.told(&["refresh", "--force"]);
        assert_eq!(told.0, 1, "{told:?}");
    }
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("endpoint-moved");
    let means = finding["means"].as_str().unwrap();
    assert!(
        means.contains(&elsewhere.address().to_string()) && means.contains("nothing was sent"),
        "{means}"
    );
    assert_eq!(finding["cure"], "claude mcp login lab");
    assert_eq!(elsewhere.token_requests_by("mcp-refreshd"), 0);
    rewrite(&home, &credentials_json([("lab", &lab.grant(HOUR))]));
    assert!(found(&home).is_empty());
}

#[test]
fn a_new_token_that_cannot_be_written_is_found_until_the_agent_has_written_it() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().before(Duration::from_millis(500)));
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    let mut daemon = home.daemon();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    // While the request is on its way: nobody can write any more.
    let lock = home.credentials().with_file_name(".storage-write.lock");
    fs::write(&lock, "").unwrap();
    wait_until(&home, "token-not-saved", true);
    let run = doctor(&home, &["--offline"]);
    let means = run.finding("token-not-saved")["means"].as_str().unwrap().to_owned();
    assert!(means.contains(".storage-write.lock") && means.contains("doctor --fix"), "{means}");
    // The store's token has ended, and that is no trouble of its own: its successor waits in the journal.
    assert_eq!(
        (run.code, run.names.as_slice()),
        (1, &["token-not-saved", "lock-is-file"].map(String::from)[..])
    );
    assert_eq!(doctor(&home, &["--offline", "--fix"]).finding("lock-is-file")["mended"], true);
    daemon.wait_for("lab: refreshed");
    assert!(doctor(&home, &["--offline"]).names.is_empty());
    assert_eq!((lab.refreshes(), server.families_revoked()), (1, 0));
}

#[test]
fn a_refresh_that_a_kill_cut_short_is_found_in_the_journal_until_its_replay() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().before(Duration::from_secs(20)));
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    let daemon = home.daemon();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    daemon.signal(Signal::KILL);
    daemon.end();
    let run = doctor(&home, &["--offline"]);
    assert!(run.finding("journal-not-empty")["means"].as_str().unwrap().starts_with("1 refresh was begun"));
    // The next start reads the journal to its end.
    let daemon = home.daemon();
    assert!(!doctor(&home, &["--offline"]).has("journal-not-empty"));
    assert!(daemon.terminate().0.success());
    assert!(!doctor(&home, &["--offline"]).has("journal-not-empty"));
}

#[test]
fn an_authorization_server_in_trouble_is_told_from_one_that_is_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let entry = findings::entry("lab", serde_json::json!({"serverUrl": url}));
    let home = home_with(&findings::document(&[("lab", entry)]));
    let answer = |status: &'static str| {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        })
    };
    let server = answer("503 Service Unavailable");
    let run = doctor(&home, &[]);
    server.join().unwrap();
    assert!(run.finding("server-in-trouble")["means"].as_str().unwrap().contains("HTTP 503"));
    assert!(!run.has("server-unreachable"));
    let server = answer("404 Not Found");
    assert_eq!(doctor(&home, &[]).names, ["agent-not-running"]);
    server.join().unwrap();
}
