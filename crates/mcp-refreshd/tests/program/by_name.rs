//! Commands that are asked for one server by its name say what is the matter with just that one, and end as the whole would.

use crate::support::{Daemon, Home};
use scripted_server::{Answer, Script, Server};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn home_with(entries: Value) -> Home {
    let home = Home::new();
    home.store(&json!({ "mcpOAuth": entries }).to_string());
    home
}

#[test]
fn a_store_that_cannot_be_read_may_hold_the_name() {
    let home = Home::new();
    home.store(r#"{"mcpOAuth":{"lab|00":{"serverName":"lab","#);
    let asked: [&[&str]; 5] = [
        &["status", "lab"],
        &["status", "lab", "--json"],
        &["refresh", "lab"],
        &["refresh", "lab", "--dry-run"],
        &["check", "lab"],
    ];
    for command in asked {
        let (code, out, remarks) = home.told(command);
        assert_eq!((code, out.as_str()), (4, ""), "{command:?}");
        assert!(remarks.contains("ends unexpectedly"), "{command:?}: {remarks}");
        assert!(!remarks.contains("no server is called"), "{command:?}: {remarks}");
    }
    let (code, out, _) = home.told(&["refresh", "--dry-run"]);
    assert_eq!((code, out.as_str()), (4, ""));
}

#[test]
fn an_entry_that_is_not_understood_is_said_to_be_one() {
    let home =
        home_with(json!({"odd|1": {"serverName": "odd", "serverUrl": "https://odd.test", "accessToken": 5}}));
    for command in [["check", "odd"], ["refresh", "odd"], ["check", "--min-valid=1m"]] {
        let (code, out, remarks) = home.told(&command);
        assert_eq!(code, 1, "{command:?}: {out}{remarks}");
        assert!(
            remarks.contains("odd") && remarks.contains("claude mcp login odd"),
            "{command:?}: {remarks}"
        );
    }
    let (code, out, remarks) = home.told(&["status", "odd"]);
    assert_eq!(code, 1, "{out}{remarks}");
    assert!(out.contains("odd") && !remarks.contains("no server is called"), "{out}{remarks}");
}

#[test]
fn a_server_that_vanished_with_others_is_not_unknown() {
    let server = Server::start(Script::default()).unwrap();
    let grants = ["lab", "wiki"].map(|name| (name, server.add(name, Script::default()).grant(HOUR)));
    let home = Home::with(grants.iter().map(|(name, grant)| (*name, grant)));
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("started (process");
    home.store(r#"{"mcpOAuth":{}}"#);
    daemon.wait_for("vanished");
    let (code, _, remarks) = home.told(&["status", "lab"]);
    assert_eq!(code, 1, "{remarks}");
    assert!(remarks.contains("lab") && remarks.contains("doctor --fix"), "{remarks}");
    assert!(!remarks.contains("wiki"), "{remarks}");
    let (code, _, remarks) = home.told(&["refresh", "lab"]);
    assert_eq!(code, 1, "{remarks}");
    assert!(remarks.contains("vanished") && remarks.contains("doctor --fix"), "{remarks}");
}

#[test]
fn asking_by_force_for_what_has_no_refresh_token_asks_no_server() {
    let ends = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    let home = home_with(json!({"lab|1": {
        "serverName": "lab", "serverUrl": "http://127.0.0.1:9/mcp", "accessToken": "at_made_up", "expiresAt": ends,
    }}));
    let real = home.told(&["refresh", "lab", "--force"]);
    let (code, out, _) = &real;
    assert_eq!(*code, 1, "{out}");
    assert!(out.contains("refresh token") && out.contains("claude mcp login lab"), "{out}");
    let (_, dry, _) = home.told(&["refresh", "lab", "--force", "--dry-run"]);
    assert!(dry.contains("needs you") && dry.contains("claude mcp login lab"), "{dry}");
    assert!(home.status()["servers"][0]["last_refresh"].is_null(), "nothing was tried");
}

#[test]
fn check_names_the_cure_that_helps() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(Duration::ZERO);
    lab.answer_always(Answer::error(400, "invalid_grant", "revoked"));
    let home = Home::with([("lab", &grant)]);
    let (code, out, _) = home.told(&["refresh", "lab"]);
    assert_eq!(code, 1, "{out}");
    let (code, out, _) = home.told(&["check", "lab"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("claude mcp login lab") && !out.contains("--force"), "{out}");
}

#[test]
fn a_name_like_an_option_is_no_option_in_what_is_to_be_typed() {
    let home = home_with(json!({"-dash|1": {
        "serverName": "-dash", "serverUrl": "https://dash.test", "accessToken": "at_made_up", "refreshToken": "rt_made_up",
        "expiresAt": 1000,
    }}));
    let (_, out, _) = home.told(&["check"]);
    assert!(out.contains("mcp-refreshd refresh -- -dash"), "{out}");
    let (_, out, _) = home.told(&["doctor", "--offline"]);
    assert!(out.contains("mcp-refreshd refresh -- -dash"), "{out}");
    let (code, out, _) = home.told(&["refresh", "--force", "--dry-run", "--", "-dash"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn check_says_where_it_looked_and_found_nothing() {
    let home = Home::new();
    let (code, out, remarks) = home.told(&["check"]);
    assert_eq!((code, out.as_str()), (0, "no servers with a login\n"));
    assert!(remarks.contains(".credentials.json"), "{remarks}");
    assert_eq!(home.told(&["check", "--quiet"]), (0, String::new(), String::new()));
}

#[test]
fn a_configuration_that_cannot_be_used_is_wrong_use() {
    let home = Home::new();
    home.configure("[network]\nextra_ca = [\"~/nowhere/ca.pem\"]\n");
    let commands: [&[&str]; 2] = [&["run"], &["refresh", "--force"]];
    for command in commands {
        let (code, _, remarks) = home.told(command);
        assert_eq!(code, 2, "{command:?}: {remarks}");
        assert!(remarks.contains("[network]") && remarks.contains("nowhere/ca.pem"), "{remarks}");
    }
    home.configure("stores = []\n");
    let (code, _, remarks) = home.told(&["config"]);
    assert_eq!(code, 2, "{remarks}");
    assert!(remarks.contains("`stores` is empty"), "{remarks}");
}
