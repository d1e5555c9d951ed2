use super::*;
use crate::report::{Daemon, StoreStatus};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use refresh_engine::{LastRefresh, Outcome};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn entry(name: &str, state: State) -> EntryStatus {
    EntryStatus {
        key: format!("{name}|0123456789abcdef"),
        name: name.into(),
        url: Some(format!("https://{name}.example/mcp")),
        state,
        expires_at: at("2026-11-22T12:43:10Z"),
        next_refresh_at: at("2026-11-22T12:31:00Z"),
        margin_s: Some(900),
        access: Some(TokenDigest::of("made-up access").fingerprint()),
        refresh: Some(TokenDigest::of("made-up refresh").fingerprint()),
        last: Some(LastRefresh {
            at: at("2026-11-22T11:43:00Z").unwrap(),
            outcome: Outcome::Fresh,
            detail: String::new(),
        }),
        waits_for: None,
        unsaved: None,
        why: None,
        action: None,
    }
}

fn dead(name: &str) -> EntryStatus {
    EntryStatus {
        why: Some("the login has ended (invalid_grant)".into()),
        action: Some(format!("claude mcp login {name}")),
        next_refresh_at: None,
        ..entry(name, State::NeedsPerson)
    }
}

fn status(entries: Vec<EntryStatus>) -> Status {
    let daemon = Daemon { pid: 42, version: "0.1.0".into(), started_at: at("2026-11-22T08:00:00Z").unwrap() };
    Status {
        daemon: Some(daemon),
        stores: vec![StoreStatus {
            location: "/home/me/.claude/.credentials.json".into(),
            unreadable: None,
            absent: false,
            entries,
            odd: vec![],
            vanished: vec![],
            journal_open: 0,
        }],
    }
}

#[test]
fn the_overview_has_one_line_for_each_server_and_the_persons_problem_first() {
    let retrying = EntryStatus {
        next_refresh_at: at("2026-11-22T12:00:20Z"),
        last: Some(LastRefresh {
            at: at("2026-11-22T11:59:50Z").unwrap(),
            outcome: Outcome::Unsent,
            detail: "x".into(),
        }),
        ..entry("jira", State::Retrying)
    };
    let text = overview(&status(vec![entry("lab", State::Fresh), retrying, dead("notion")]), now());
    assert_eq!(
        text,
        "notion  needs you  type: claude mcp login notion  # the login has ended (invalid_grant)\n\
         jira    retrying   43 min left, again in 20 s, not reached 10 s ago\n\
         lab     fresh      43 min left, next in 31 min, refreshed 17 min ago\n"
    );
}

#[test]
fn a_usual_line_fits_eighty_columns() {
    let name = "a-rather-long-name-of-a-server-that-is-cut";
    for text in [
        overview(&status(vec![entry(name, State::Fresh)]), now()),
        overview(&status(vec![entry("plugin:slack:slack", State::Refreshing)]), now()),
    ] {
        assert!(text.trim_end().chars().count() <= 80, "{text}");
    }
}

#[test]
fn no_name_of_a_server_moves_the_cursor() {
    let nasty = "a\u{1b}[2Jb\nneeds you  type: rm -rf /";
    let mut status = status(vec![entry(nasty, State::Fresh)]);
    status.stores[0].odd.push((nasty.into(), nasty.into()));
    status.stores[0].vanished.push(nasty.into());
    status.stores[0].entries[0].unsaved = Some(nasty.into());
    let text = [overview(&status, now()), detailed(&status, now()), remarks(&status).join("\n")].concat();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    assert_eq!(overview(&status, now()).lines().count(), 1);
}

#[test]
fn one_server_is_shown_in_full() {
    let text =
        detailed(&only(status(vec![entry("lab", State::Fresh), dead("notion")]), "notion").unwrap(), now());
    for part in [
        "notion",
        "needs you",
        "claude mcp login notion",
        "2026-11-22T12:43:10Z (in 43 min)",
        "15 min before it ends",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("lab"), "{text}");
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    let all = status(vec![entry("notion", State::Fresh), entry("lab", State::Fresh)]);
    assert_eq!(only(all.clone(), "notoin").unwrap_err(), "no server is called notoin; did you mean notion?");
    assert_eq!(
        only(all, "xyzzyxyzzy").unwrap_err(),
        "no server is called xyzzyxyzzy; there are: lab, notion"
    );
    assert_eq!(only(status(vec![]), "a").unwrap_err(), "no server is called a; the store holds none");
}

#[test]
fn the_exit_code_tells_the_worst() {
    let well = status(vec![entry("lab", State::Fresh), entry("jira", State::Retrying)]);
    assert_eq!(exit(&well), Exit::Well);
    assert_eq!(exit(&status(vec![dead("lab")])), Exit::Person);

    let stopped = Status { daemon: None, ..well.clone() };
    assert_eq!(exit(&stopped), Exit::NotRunning);
    assert_eq!(exit(&Status { daemon: None, ..status(vec![dead("lab")]) }), Exit::Person);

    let mut unreadable = stopped;
    unreadable.stores[0].unreadable = Some("why".into());
    assert_eq!(exit(&unreadable), Exit::Unreadable);
    unreadable.stores[0].absent = true;
    assert_eq!(exit(&unreadable), Exit::NotRunning);

    for trouble in [
        |store: &mut StoreStatus| store.odd.push(("a".into(), "b".into())),
        |store: &mut StoreStatus| store.vanished.push("a".into()),
    ] {
        let mut status = well.clone();
        trouble(&mut status.stores[0]);
        assert_eq!(exit(&status), Exit::Person);
    }
}

#[test]
fn the_json_is_format_version_1() {
    let text = json(&status(vec![dead("notion")])).unwrap();
    let access = TokenDigest::of("made-up access").fingerprint();
    let refresh = TokenDigest::of("made-up refresh").fingerprint();
    let expected = serde_json::json!({
        "format_version": 1,
        "daemon": {"running": true, "pid": 42, "version": "0.1.0", "started_at": "2026-11-22T08:00:00Z"},
        "servers": [{
            "key": "notion|0123456789abcdef",
            "name": "notion",
            "url": "https://notion.example/mcp",
            "store": "/home/me/.claude/.credentials.json",
            "state": "needs_person",
            "expires_at": "2026-11-22T12:43:10Z",
            "next_refresh_at": null,
            "margin_s": 900,
            "fingerprint": {"access": access, "refresh": refresh},
            "last_refresh": {"at": "2026-11-22T11:43:00Z", "outcome": "fresh", "detail": ""},
            "action": "claude mcp login notion",
        }],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    let stopped = json(&Status { daemon: None, stores: vec![] }).unwrap();
    let expected = serde_json::json!({
        "format_version": 1,
        "daemon": {"running": false, "pid": null, "version": env!("CARGO_PKG_VERSION"), "started_at": null},
        "servers": [],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stopped).unwrap(), expected);
}

#[test]
fn a_status_crosses_the_socket_unchanged() {
    use crate::protocol::{Answer, Envelope, read};
    let answer = Answer::Status(status(vec![dead("notion"), entry("lab", State::Due)]));
    assert_eq!(read::<Answer>(&Envelope::new(answer.clone()).to_line().unwrap()).unwrap(), answer);
}
