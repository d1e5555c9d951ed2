//! `mcp-refreshd check` as cron, CI and prompts use it.

use crate::support::{Home, PATIENCE};
use scripted_server::{Answer, Kind, Script, Server};
use serde_json::Value;
use std::io::{Read, Write};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// What starting the program may take before the minutes are one less.
const LEEWAY: Duration = Duration::from_secs(20);

#[test]
fn the_exit_code_says_whether_every_token_is_good_for_long_enough() {
    let server = Server::start(Script::default()).unwrap();
    let (long, short) = (server.add("long", Script::default()), server.add("short", Script::default()));
    let home = Home::with([("long", &long.grant(60 * MINUTE)), ("short", &short.grant(5 * MINUTE + LEEWAY))]);
    let before = home.stored();

    let (code, told, said) = home.told(&["check"]);
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(told.contains("long: ok: valid for 1 h"), "{told}");
    assert!(told.contains("short: not ok: valid for 5 min "), "{told}");
    assert!(told.ends_with("; type: mcp-refreshd refresh short\n"), "{told}");

    assert_eq!(home.told(&["check", "long"]).0, 0);
    assert_eq!(home.told(&["check", "long", "--min-valid", "2h"]).0, 1);
    assert_eq!(home.told(&["check", "--min-valid", "1m"]).0, 0);
    assert_eq!(home.told(&["check", "--quiet"]), (1, String::new(), String::new()));
    assert_eq!(home.told(&["check", "-q", "long"]), (0, String::new(), String::new()));
    assert_eq!((home.stored(), server.log().len()), (before, 0));
    assert!(!home.state().exists());

    home.configure("[servers.short]\nignore = true\n");
    assert_eq!(home.told(&["check"]).0, 0);
    assert_eq!(home.told(&["check", "short"]).0, 1);
    // What it said to type helps.
    home.configure("");
    let (code, told, _) = home.told(&["refresh", "short"]);
    assert!(code == 0 && told.starts_with("short: refreshed, "), "{told}");
    assert_eq!(home.told(&["check", "short"]).0, 0);
}

#[test]
fn what_has_ended_or_never_began_is_not_good_and_what_does_not_end_is() {
    let home = Home::new();
    home.store(
        r#"{"mcpOAuth":{
            "stub|1":{"serverName":"stub","serverUrl":"https://a.example/mcp","accessToken":"","expiresAt":0},
            "zero|2":{"serverName":"zero","serverUrl":"https://b.example/mcp","accessToken":"at_made_up","refreshToken":"rt_made_up","expiresAt":0},
            "past|3":{"serverName":"past","serverUrl":"https://c.example/mcp","accessToken":"at_made_up","expiresAt":1000},
            "ever|4":{"serverName":"ever","serverUrl":"https://d.example/mcp","accessToken":"at_made_up"}
        }}"#,
    );
    let told = |name: &str| home.told(&["check", name]);
    assert_eq!(told("stub").1, "stub: not ok: not logged in; type: claude mcp login stub\n");
    assert_eq!(told("zero").1, "zero: not ok: expired; type: mcp-refreshd refresh zero\n");
    assert!(told("past").1.ends_with("ago; type: claude mcp login past\n"));
    assert_eq!(told("ever"), (0, "ever: ok: valid, unknown expiry\n".into(), String::new()));
    assert_eq!(home.told(&["check", "past", "--min-valid", "0s"]).0, 1);
}

#[test]
fn where_the_agent_tries_again_or_nothing_better_is_known_there_is_nothing_to_type() {
    let server = Server::start(Script::default()).unwrap();
    let (long, failing) = (server.add("long", Script::default()), server.add("failing", Script::default()));
    failing.answer_always(Answer::status(503).retry_after(15 * MINUTE));
    let home = Home::with([("long", &long.grant(60 * MINUTE)), ("failing", &failing.grant(Duration::ZERO))]);
    let (code, told, _) = home.told(&["check", "long", "--min-valid", "2h"]);
    assert_eq!(code, 1);
    assert!(told.ends_with(" only; whether a new token lives longer is not known\n"), "{told}");
    let (_, told, _) = home.told(&["check", "failing"]);
    assert!(told.ends_with("; type: mcp-refreshd refresh failing\n"), "{told}");

    let mut daemon = home.daemon();
    let told = || home.told(&["check", "failing"]).1;
    assert!(harness::until(PATIENCE, || told().contains("the agent retries by itself")), "{}", told());
    let told = told();
    assert!(told.starts_with("failing: not ok: expired ") && told.contains("HTTP 503"), "{told}");
    assert!(!told.contains("type:"), "{told}");
    let (code, told, _) = home.told(&["check", "failing", "--live"]);
    assert!(code == 1 && !told.contains("--force"), "{told}");
    daemon.stop();
    let (_, told, _) = home.told(&["check", "failing"]);
    assert!(told.ends_with("; type: mcp-refreshd refresh failing\n"), "{told}");
}

#[test]
fn an_entry_that_is_not_understood_fails_the_check_of_its_own_name_alone() {
    let home = Home::new();
    home.store(
        r#"{"mcpOAuth":{
            "ever|4":{"serverName":"ever","serverUrl":"https://d.example/mcp","accessToken":"at_made_up"},
            "junk|5":{"serverName":"junk","accessToken":17}
        }}"#,
    );
    let (code, told, said) = home.told(&["check"]);
    assert!(
        code == 1 && told.starts_with("ever: ok") && said.contains("junk: not understood: "),
        "{told}{said}"
    );
    assert_eq!(home.told(&["check", "ever"]), (0, "ever: ok: valid, unknown expiry\n".into(), String::new()));
    for name in ["junk", "junk|5"] {
        let (code, _, said) = home.told(&["check", name]);
        assert!(code != 0 && said.contains("junk"), "{name}: {code} {said}");
    }
}

#[test]
fn wrong_use_and_a_store_that_cannot_be_read_have_codes_of_their_own() {
    let home = Home::new();
    let (code, told, said) = home.told(&["check"]);
    assert_eq!((code, told.as_str()), (0, "no servers with a login\n"));
    assert!(said.contains(".credentials.json yet"), "{said}");
    let (code, _, said) = home.told(&["check", "lab"]);
    assert_eq!(code, 2);
    assert!(said.contains("no server is called lab"), "{said}");
    let (code, _, said) = home.told(&["check", "--min-valid", "soon"]);
    assert_eq!(code, 2);
    assert!(said.contains("write it like 10m"), "{said}");

    home.store("{\"mcpOAuth\":{\"lab|00\":{");
    let (code, told, said) = home.told(&["check", "lab"]);
    assert_eq!((code, told.as_str()), (4, ""));
    assert!(said.contains("ends unexpectedly"), "{said}");
    assert_eq!(home.told(&["check", "--quiet"]), (4, String::new(), String::new()));
}

#[test]
fn a_live_check_asks_the_server_itself() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(60 * MINUTE);
    let home = Home::with([("lab", &grant)]);
    let (code, told, said) = home.told(&["check", "--live"]);
    assert_eq!((code, said.as_str()), (0, ""), "{told}");
    assert!(told.ends_with("; the server accepts it (HTTP 200)\n"), "{told}");
    assert_eq!(server.count(|entry| entry.kind == Kind::Mcp), 1);

    // The store still calls it good, and the server does not.
    let mut other = grant.clone();
    other.access_token = "at_made_up".into();
    home.store(&scripted_server::credentials_json([("lab", &other)]));
    let (code, told, _) = home.told(&["check", "--live"]);
    assert_eq!(code, 1);
    assert!(
        told.contains("the server refuses it (HTTP 401); type: mcp-refreshd refresh lab --force"),
        "{told}"
    );
    assert!(!told.contains("at_made_up"));

    server.stop_listening().unwrap();
    home.store(&scripted_server::credentials_json([("lab", &grant)]));
    let (code, told, _) = home.told(&["check", "--live"]);
    assert_eq!(code, 5, "a server that is away makes no token invalid");
    assert!(told.starts_with("lab: unknown: valid for 1 h; the server cannot be reached: "), "{told}");
    assert!(told.contains("cannot connect to 127.0.0.1") && !told.contains("type:"), "{told}");
    let json: Value = serde_json::from_str(&home.told(&["check", "--live", "--json"]).1).unwrap();
    let only = &json["servers"][0];
    assert_eq!((&only["result"], &only["live"]), (&"unknown".into(), &"unanswered".into()));
    assert_eq!(home.told(&["check"]).0, 0);
}

#[test]
fn no_token_is_sent_over_plain_http() {
    let home = Home::new();
    home.store(
        r#"{"mcpOAuth":{"lab|1":{"serverName":"lab","serverUrl":"http://lab.example/mcp","accessToken":"at_made_up"}}}"#,
    );
    let (code, told, _) = home.told(&["check", "--live"]);
    assert_eq!(code, 1);
    assert!(told.contains("over https only"), "{told}");
}

#[test]
fn a_session_that_the_server_opened_for_the_question_is_closed_and_its_stream_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let home = Home::new();
    home.store(&format!(
        r#"{{"mcpOAuth":{{"lab|1":{{"serverName":"lab","serverUrl":"{url}","accessToken":"at_made_up"}}}}}}"#
    ));
    let server = std::thread::spawn(move || {
        // An event stream without end: the connection stays open until the other side leaves.
        let (mut first, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let _ = first.read(&mut buffer).unwrap();
        first
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s1\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .unwrap();
        let (mut second, _) = listener.accept().unwrap();
        let length = second.read(&mut buffer).unwrap();
        second.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        String::from_utf8_lossy(&buffer[..length]).to_ascii_lowercase()
    });
    let (code, told, _) = home.told(&["check", "--live"]);
    assert_eq!(code, 0, "{told}");
    let farewell = server.join().unwrap();
    assert!(farewell.starts_with("delete /mcp ") && farewell.contains("mcp-session-id: s1"), "{farewell}");
}

#[test]
fn a_token_that_rests_is_no_fault_unless_somebody_says_how_long_it_has_to_be_good() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(Duration::ZERO))]);
    // A session a month ago: nobody is expected.
    let sessions = home.path().join(".claude/sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let session = std::fs::File::create(sessions.join("4711.json")).unwrap();
    session.set_modified(std::time::SystemTime::now() - 30 * 24 * 60 * MINUTE).unwrap();

    let (code, told, _) = home.told(&["check"]);
    assert_eq!(code, 1, "without an agent nobody wakes it: {told}");
    assert!(told.contains("lab: not ok: expired "), "{told}");

    let mut daemon = home.daemon();
    assert_eq!(home.status()["servers"][0]["state"], "resting");
    for asked in [&["check"][..], &["check", "lab", "--live"]] {
        let (code, told, _) = home.told(asked);
        assert_eq!(code, 0, "{told}");
        assert!(
            told.starts_with("lab: ok: resting, expired ") && told.contains("before the next use"),
            "{told}"
        );
        assert!(!told.contains("server"), "{told}");
    }
    assert_eq!(server.log().len(), 0, "nobody was asked");
    let (code, told, _) = home.told(&["check", "lab", "--min-valid", "10m"]);
    assert_eq!(code, 1);
    assert!(told.starts_with("lab: not ok: resting, expired "), "{told}");
    assert!(told.ends_with("; type: mcp-refreshd refresh lab\n"), "{told}");

    let (code, told, _) = home.told(&["refresh", "lab"]);
    assert_eq!((code, told.as_str()), (0, "lab: refreshed, valid for 1 h\n"));
    assert_eq!(home.told(&["check", "lab", "--min-valid", "10m"]).0, 0);
    daemon.stop();
    let (_, told, _) = home.told(&["history", "-n", "all"]);
    assert!(told.contains("  lab  resting: no session is expected to use it now\n"), "{told}");
    let (_, told, _) = home.told(&["history"]);
    assert!(told.contains(" resting ") && !told.contains("expired "), "{told}");
}

#[test]
fn an_expired_token_that_its_server_refuses_has_one_cure() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let mut grant = lab.grant(Duration::ZERO);
    grant.access_token = "at_made_up".into();
    let home = Home::with([("lab", &grant)]);
    let (code, told, _) = home.told(&["check", "--live"]);
    assert_eq!(code, 1);
    assert!(
        told.contains("expired ") && told.contains("; the server refuses it (HTTP 401); type: "),
        "{told}"
    );
    assert_eq!(told.matches("type: ").count(), 1, "{told}");
    assert_eq!(told.matches("type: mcp-refreshd refresh lab\n").count(), 1, "{told}");
}

#[test]
fn the_json_says_what_the_lines_say() {
    let server = Server::start(Script::default()).unwrap();
    let (long, short) = (server.add("long", Script::default()), server.add("short", Script::default()));
    let (one, other) = (long.grant(60 * MINUTE), short.grant(5 * MINUTE + LEEWAY));
    let home = Home::with([("long", &one), ("short", &other)]);
    let (code, told, said) = home.told(&["check", "--json"]);
    assert_eq!((code, said.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&json["format_version"], &json["problems"]), (&1.into(), &Value::Array(Vec::new())));
    let [good, bad] = json["servers"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(
        (&good["name"], &good["result"], &good["action"]),
        (&"long".into(), &"ok".into(), &Value::Null)
    );
    assert_eq!((&bad["result"], &bad["live"]), (&"not_ok".into(), &Value::Null));
    assert_eq!(bad["action"], "mcp-refreshd refresh short");
    assert_eq!(bad["store"], home.credentials().to_str().unwrap());
    assert_eq!(bad["key"], other.key("short"));
    assert!(bad["reason"].as_str().unwrap().starts_with("valid for 5 min"), "{bad}");
    assert!(bad["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(home.told(&["check", "--json", "--quiet"]).0, 2);
    home.store("{");
    let (code, told, _) = home.told(&["check", "--json"]);
    let json: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, json["problems"].as_array().unwrap().len()), (4, 1), "{json}");
}

#[test]
fn a_token_that_never_lives_for_so_long_is_no_failure_and_has_no_cure() {
    let server = Server::start(Script { lifetime: 5 * MINUTE, ..Script::default() }).unwrap();
    let home = Home::with([(
        "lab",
        &server.add("lab", Script { lifetime: 5 * MINUTE, ..Script::default() }).grant(MINUTE),
    )]);
    assert_eq!(home.told(&["refresh", "lab", "--force"]).0, 0);
    let (code, told, _) = home.told(&["check"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.starts_with("lab: ok: valid for ") && told.ends_with(": its tokens never live longer\n"),
        "{told}"
    );
    let (code, told, _) = home.told(&["check", "--min-valid", "10m"]);
    assert_eq!(code, 1, "{told}");
    assert!(!told.contains("type:"), "a refresh brings another one of the same kind: {told}");
    assert_eq!(home.told(&["check", "--min-valid", "1m"]).0, 0);
}
