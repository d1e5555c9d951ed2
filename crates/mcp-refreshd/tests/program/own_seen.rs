//! What the commands make of a login in the vault, and of what `own` leaves in Claude Code's store.

use crate::support::configured::{HOUR, Scene};
use scripted_server::credentials_json;
use serde_json::Value;
use std::fs;

impl Scene {
    fn findings(&self) -> Vec<(String, String)> {
        let (_, out, _) = self.home.told(&["doctor", "lab", "--offline", "--json"]);
        let json: Value = serde_json::from_str(&out).unwrap();
        let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
        let findings = json["findings"].as_array().unwrap().iter();
        let findings = findings.filter(|finding| finding["severity"] == "problem");
        let about_the_login = findings.filter(|finding| finding["name"] != "agent-not-running");
        about_the_login.map(|finding| (text(finding, "name"), text(finding, "cure"))).collect()
    }
}

#[test]
fn a_login_in_the_vault_is_the_only_one_that_any_command_sees() {
    for with_agent in [false, true] {
        let scene = Scene::new();
        let daemon = with_agent.then(|| scene.home.daemon());
        assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
        for (arguments, words) in [
            (&["check", "lab"][..], "lab: ok: valid for"),
            (&["check"], "lab: ok: valid for"),
            (&["token", "lab"], scene.grant.access_token.as_str()),
            (&["headers", "lab"], scene.grant.access_token.as_str()),
            (&["login", "--all", "--dry-run"], "no server needs a login"),
        ] {
            let (code, out, err) = scene.home.told(arguments);
            assert!(code == 0 && out.contains(words), "{with_agent} {arguments:?}: {out}{err}");
            assert_eq!(out.lines().count(), 1, "{with_agent} {arguments:?}: {out}{err}");
        }
        assert_eq!(scene.findings(), []);
        drop(daemon);
    }
}

#[test]
fn without_an_agent_the_helper_refreshes_a_login_in_the_vault() {
    let scene = Scene::new();
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    let vault = scene.home.state().join("vault/.credentials.json");
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&vault).unwrap()).unwrap();
    document["mcpOAuth"][scene.grant.key("lab")]["expiresAt"] = 1000.into();
    fs::write(&vault, document.to_string()).unwrap();
    let (code, out, err) = scene.home.told(&["headers", "lab"]);
    assert!(code == 0 && !out.contains(&scene.grant.access_token), "{out}{err}");
    assert_eq!(scene.lab.refreshes(), 1);
}

#[test]
fn every_command_reports_an_ended_login_in_the_vault_alike() {
    let scene = Scene::new();
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    assert!(scene.lab.kill(&scene.grant.refresh_token));
    let daemon = scene.home.daemon();
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 1);
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 1);
    let status = scene.home.status();
    let action = status["servers"][0]["action"].as_str().unwrap().to_owned();
    assert_eq!(scene.findings(), [("login-ended".to_owned(), action.clone())]);
    let (code, _, err) = scene.home.told(&["login", "--all", "--dry-run"]);
    assert!(code == 1 && err.contains(&action), "{err}");
    drop(daemon);
}

#[test]
fn of_two_stores_with_a_login_for_one_server_neither_moves() {
    for with_agent in [false, true] {
        let scene = Scene::new();
        let work = scene.home.path().join("work");
        fs::create_dir(&work).unwrap();
        scene.configure(&work.join(".claude.json"));
        let other = scene.lab.grant(HOUR);
        let stored = [scene.home.stored(), credentials_json([("lab", &other)])];
        fs::write(work.join(".credentials.json"), &stored[1]).unwrap();
        scene.home.configure("stores = [\"default\", \"~/work\"]\n");
        let daemon = with_agent.then(|| scene.home.daemon());
        for arguments in [&["own", "lab"][..], &["own", "--all"], &["own", "lab", "--dry-run"]] {
            let (code, out, err) = scene.home.told(arguments);
            assert!(code == 1 && err.contains("each hold a login for it"), "{arguments:?}: {out}{err}");
            let now = fs::read_to_string(work.join(".credentials.json")).unwrap();
            assert_eq!([scene.home.stored(), now], stored);
        }
        drop(daemon);
    }
}

#[test]
fn beside_a_vault_that_cannot_be_read_nobody_is_told_to_log_in() {
    let scene = Scene::new();
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    fs::write(scene.home.state().join("vault/ledger.json"), "{").unwrap();
    let (code, out, err) = scene.home.told(&["status"]);
    assert!(code == 1 && out.contains("may be in the vault, which cannot be read"), "{code} {out}{err}");
    assert!(!out.contains("mcp login") && err.contains("ledger.json"), "{out}{err}");
    let (_, out, err) = scene.home.told(&["login", "--all", "--dry-run"]);
    assert!(!out.contains("mcp login") && !err.contains("mcp login"), "{out}{err}");
}
