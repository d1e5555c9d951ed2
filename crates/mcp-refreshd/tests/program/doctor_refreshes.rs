//! `mcp-refreshd doctor`: what refreshes that do not go well leave behind, made for real with a server, and gone after the cure.

use crate::support::findings;
use crate::support::findings::{HOUR, doctor, found, home_with, rewrite};
use crate::support::{Home, PATIENCE};
use rustix::process::Signal;
use scripted_server::{Answer, Grant, Script, Server, Shape, credentials_json};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

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
fn a_refresh_that_took_some_of_the_scope_is_told_and_what_was_taken_is_asked_for_once() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let shape = Shape { extra: Map::from_iter([("scope".to_owned(), json!("mcp"))]), ..Shape::default() };
    lab.answer_always(Answer::shaped(shape));
    let login = credentials_json([("lab", &lab.grant(HOUR))])
        .replace("mcp offline_access", "mcp write offline_access");
    let home = home_with(&login);
    let named = || {
        lab.log()
            .iter()
            .rev()
            .find_map(|entry| entry.field("refresh_token").and(Some(entry.field("scope").map(str::to_owned))))
    };
    for (scope, words) in [
        (None, "without write; the next refresh asks for it"),
        (Some("mcp write offline_access"), "without write; asking for it did not help"),
        (None, "without write; asking for it did not help"),
    ] {
        assert_eq!(home.told(&["refresh", "lab", "--force"]).0, 0);
        assert_eq!(named().unwrap().as_deref(), scope);
        let run = doctor(&home, &["--offline"]);
        let finding = run.finding("scope-narrowed");
        assert!(finding["means"].as_str().unwrap().ends_with(words), "{finding}");
        assert_eq!(finding["severity"], "note");
        let (_, status, _) = home.told(&["status", "lab"]);
        let status = status.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(status.contains(words), "{status}");
    }
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
    assert_eq!(doctor(&home, &["--offline", "--fix"]).finding("lock-is-file")["fixed"], true);
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
    assert!(
        run.finding("journal-not-empty")["means"].as_str().unwrap().starts_with("1 refresh was interrupted")
    );
    // The next start reads the journal to its end.
    let daemon = home.daemon();
    assert!(!doctor(&home, &["--offline"]).has("journal-not-empty"));
    assert!(daemon.terminate().0.success());
    assert!(!doctor(&home, &["--offline"]).has("journal-not-empty"));
}

/// What Claude Code leaves after a refresh that failed for good.
fn wiped(mut entry: Value, with_registration: bool) -> String {
    let members = entry.as_object_mut().unwrap();
    members.remove("refreshToken");
    members.insert("accessToken".into(), "".into());
    members.insert("expiresAt".into(), 0.into());
    if !with_registration {
        members.remove("clientId");
    }
    findings::document(&[("lab", entry)])
}

#[test]
fn a_wipe_by_a_session_that_refreshed_at_the_same_time_is_told_from_any_other() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let (first, second) = (lab.grant(HOUR), lab.grant(HOUR));
    let stored = |grant: &Grant| findings::document(&[("lab", grant.entry("lab"))]);
    let home = home_with(&stored(&first));
    let mut daemon = home.daemon();
    // One session's refresh, and at once the stub of another whose refresh came too late. The server revoked the family at that.
    rewrite(&home, &stored(&second));
    daemon.wait_for("new tokens");
    assert!(lab.kill(&first.refresh_token) && lab.kill(&second.refresh_token));
    rewrite(&home, &wiped(second.entry("lab"), true));
    wait_until(&home, "sessions-collided", true);
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("sessions-collided");
    assert!(finding["means"].as_str().unwrap().contains("overwrote each other"), "{finding}");
    assert_eq!((run.names.len(), &finding["cure"]), (1, &"claude mcp login lab".into()));
    assert!(daemon.terminate().0.success());

    rewrite(&home, &stored(&lab.grant(HOUR)));
    assert!(found(&home).is_empty());
}

#[test]
fn a_wipe_that_took_the_registration_too_is_told_from_one_that_took_the_tokens_alone() {
    let home = home_with(&wiped(findings::entry("lab", json!({})), false));
    let run = doctor(&home, &["--offline"]);
    // The registration is gone already: a login makes a new one.
    assert_eq!(run.finding("registration-gone")["cure"], "claude mcp login lab");
    rewrite(&home, &wiped(findings::entry("lab", json!({})), true));
    assert_eq!(found(&home), ["login-wiped"]);
    rewrite(&home, &findings::good());
    assert!(found(&home).is_empty());
}

#[test]
fn a_logout_that_was_watched_is_told_from_a_login_that_never_was() {
    let stub = json!({"accessToken": "", "refreshToken": "", "expiresAt": null});
    let stub = || findings::document(&[("lab", findings::entry("lab", stub.clone()))]);
    let home = home_with(&stub());
    let means = |home: &Home| doctor(home, &["--offline"]).finding("not-logged-in")["means"].to_string();
    assert!(means(&home).contains("none was made yet, or a logout ended it"), "{}", means(&home));
    let daemon = home.daemon();
    let watched = |event: &str| {
        let end = Instant::now() + PATIENCE;
        while !home.told(&["history", "lab"]).1.contains(event) {
            assert!(Instant::now() < end, "{}", home.told(&["history"]).1);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    rewrite(&home, &findings::good());
    watched("  lab  logged in ");
    rewrite(&home, &stub());
    watched("  lab  removed ");
    assert!(means(&home).contains("there is no login: a logout ended it, "), "{}", means(&home));
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_server_that_never_gives_refresh_tokens_is_told_from_one_that_gave_none_to_this_login() {
    let never = Script { refresh_tokens: false, ..Script::default() };
    let server = Server::start(Script::default()).unwrap();
    let (lab, other) = (server.add("lab", never), server.add("other", Script::default()));
    let without = |name: &str, grant: &Grant, scope: &str| {
        let mut entry = grant.entry(name);
        entry["scope"] = scope.into();
        entry.as_object_mut().unwrap().remove("refreshToken");
        findings::document(&[(name, entry)])
    };
    let home = home_with(&without("lab", &lab.grant(HOUR), "mcp"));
    assert_eq!(found(&home), ["no-refresh-token"], "nobody was asked");
    let run = doctor(&home, &[]);
    assert!(run.has("server-without-refresh") && !run.has("no-refresh-token"), "{:?}", run.names);
    // It has changed its mind.
    lab.set(|script| script.refresh_tokens = true);
    assert!(!doctor(&home, &[]).has("server-without-refresh"));

    for (scope, part) in [
        ("mcp", "offers the scope `offline_access`, which this login does not have"),
        ("mcp offline_access", "though not for this login"),
    ] {
        rewrite(&home, &without("other", &other.grant(HOUR), scope));
        let run = doctor(&home, &[]);
        let means = run.finding("no-refresh-token")["means"].as_str().unwrap();
        assert!(means.contains(part), "{means}");
    }
    rewrite(&home, &credentials_json([("other", &other.grant(HOUR))]));
    assert_eq!(doctor(&home, &[]).names, ["agent-not-running"]);
}

#[test]
fn an_authorization_server_in_trouble_is_told_from_one_that_is_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let entry = findings::entry("lab", json!({"serverUrl": url}));
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
