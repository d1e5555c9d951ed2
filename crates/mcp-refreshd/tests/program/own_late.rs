//! What clients write for a server whose login is in the vault.

use crate::support::PATIENCE;
use crate::support::configured::{HOUR, Scene};
use harness::until;
use scripted_server::{Grant, TokenState, credentials_json};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

impl Scene {
    /// A server called lab whose login is in the vault.
    fn owned() -> Self {
        let scene = Self::new();
        assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
        scene
    }

    fn entry(text: &str, grant: &Grant) -> Value {
        let document: Value = serde_json::from_str(text).unwrap();
        document["mcpOAuth"][grant.key("lab")].clone()
    }

    fn shared(&self) -> Value {
        Self::entry(&self.home.stored(), &self.grant)
    }

    fn vaulted(&self) -> Value {
        let vault = self.home.state().join("vault/.credentials.json");
        Self::entry(&fs::read_to_string(vault).unwrap(), &self.grant)
    }

    /// Refreshes as a client does that had read the token before it moved.
    fn client_refreshes(&self) -> Value {
        let Grant { client_id, refresh_token, .. } = &self.grant;
        let form = format!("grant_type=refresh_token&refresh_token={refresh_token}&client_id={client_id}");
        let url = self.lab.token_url();
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{form}",
            form.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let json = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
        serde_json::from_str(json).unwrap()
    }

    /// Writes the answer as the client does: over what the entry holds, or as an old one does that read the document before.
    fn client_saves(&self, answer: &Value, entry: Value) {
        let mut entry = entry;
        entry["serverName"] = json!("lab");
        entry["serverUrl"] = json!(self.lab.mcp_url());
        entry["accessToken"] = answer["access_token"].clone();
        entry["refreshToken"] = answer["refresh_token"].clone();
        entry["expiresAt"] = json!(jiff::Timestamp::now().as_millisecond() + 3_600_000);
        entry["scope"] = answer["scope"].clone();
        self.home.store(&json!({"mcpOAuth": {self.grant.key("lab"): entry}, "kept": 1}).to_string());
    }

    /// Whether the vault holds what the server takes, and Claude Code's store no token.
    fn is_settled(&self) -> bool {
        let current = |token: &Value| {
            token.as_str().is_some_and(|token| self.lab.state_of(token) == TokenState::Current)
        };
        self.shared()["refreshToken"].is_null()
            && self.shared()["accessToken"] == ""
            && current(&self.vaulted()["refreshToken"])
    }

    /// Refreshes the vault's; while the agent looks after it, it says that it is busy.
    fn refresh(&self) {
        let mut said = (0, String::new(), String::new());
        let refreshed = until(PATIENCE, || {
            said = self.home.told(&["refresh", "lab", "--force"]);
            said.1.contains("refreshed, valid")
        });
        assert!(refreshed, "{said:?}");
    }

    /// How often the token that moved was presented.
    fn presented(&self) -> usize {
        let Grant { refresh_token, .. } = &self.grant;
        self.lab.count(|entry| entry.field("refresh_token") == Some(refresh_token))
    }
}

#[test]
fn own_leaves_an_entry_without_tokens_for_a_client_whose_refresh_is_on_its_way() {
    let scene = Scene::owned();
    let (shared, vaulted) = (scene.shared(), scene.vaulted());
    assert_eq!((&shared["accessToken"], &shared["expiresAt"]), (&json!(""), &json!(0)));
    for member in ["serverName", "serverUrl", "clientId", "issuer", "redirectUri", "discoveryState"] {
        assert_eq!(shared[member], vaulted[member]);
    }
    assert!(shared["refreshToken"].is_null() && vaulted["refreshToken"] == scene.grant.refresh_token);
    // It is nobody's business.
    assert_eq!(scene.home.status()["servers"].as_array().unwrap().len(), 1);
    let (code, out, _) = scene.home.told(&["doctor", "--offline"]);
    assert!(!out.contains("log in") && !out.contains("lab: "), "{code} {out}");
}

#[test]
fn a_pair_that_a_client_saves_after_the_move_goes_into_the_vault() {
    // The agent runs, is started afterwards, or the command is alone; the client found the entry, or is an old one that found none.
    for agent in ["before", "after", "never"] {
        for old in [false, true] {
            let scene = Scene::owned();
            let mut daemon = (agent == "before").then(|| scene.home.daemon());
            let answer = scene.client_refreshes();
            scene.client_saves(&answer, if old { json!({}) } else { scene.shared() });
            if agent == "after" {
                daemon = Some(scene.home.daemon());
            }
            if daemon.is_some() {
                assert!(until(PATIENCE, || scene.is_settled()), "{agent} {old}: {}", scene.vaulted());
            }
            scene.refresh();
            assert!(scene.is_settled(), "{agent} {old}");
            assert_eq!(scene.vaulted()["clientId"], scene.grant.client_id, "{agent} {old}");
            assert!(scene.home.stored().contains("\"kept\":1"));
            assert_eq!((scene.presented(), scene.lab.families_revoked()), (1, 0), "{agent} {old}");
            if let Some(daemon) = daemon {
                let (_, log) = daemon.terminate();
                assert!(log.contains("had newer tokens for this login"), "{log}");
                assert!(!log.contains("needs you") && !log.contains("vanished"), "{log}");
            }
        }
    }
}

#[test]
fn the_vaults_token_is_never_presented_once_a_client_has_saved_a_newer_one() {
    // In the same moment, before the agent has seen the change.
    let scene = Scene::owned();
    let daemon = scene.home.daemon();
    let answer = scene.client_refreshes();
    scene.client_saves(&answer, scene.shared());
    let (_, out, err) = scene.home.told(&["refresh", "lab", "--force"]);
    assert_eq!((scene.presented(), scene.lab.families_revoked()), (1, 0), "{out}{err}");
    assert!(until(PATIENCE, || scene.is_settled()));
    drop(daemon);
}

#[test]
fn an_older_document_that_an_old_client_writes_back_is_emptied_again() {
    for rotated in [false, true] {
        let scene = Scene::owned();
        if rotated {
            scene.refresh();
        }
        let vaulted = scene.vaulted();
        let daemon = scene.home.daemon();
        scene.home.store(&credentials_json([("lab", &scene.grant)]));
        assert!(until(PATIENCE, || scene.shared()["refreshToken"].is_null()));
        assert_eq!(scene.vaulted(), vaulted);
        scene.refresh();
        assert_eq!((scene.presented(), scene.lab.families_revoked()), (1, 0));
        drop(daemon);
    }
}

#[test]
fn a_login_of_claude_code_takes_the_place_of_the_vaults() {
    let scene = Scene::owned();
    let daemon = scene.home.daemon();
    let newer = scene.lab.grant(HOUR);
    scene.home.store(&credentials_json([("lab", &newer)]));
    assert!(until(PATIENCE, || scene.shared()["refreshToken"].is_null()));
    assert_eq!(scene.vaulted()["refreshToken"], newer.refresh_token);
    assert_eq!(scene.vaulted()["clientId"], newer.client_id);
    scene.refresh();
    assert_eq!((scene.presented(), scene.lab.families_revoked()), (0, 0));
    // Written back by an old client, the replaced one is not taken for a newer one.
    scene.home.store(&credentials_json([("lab", &scene.grant)]));
    assert!(until(PATIENCE, || scene.shared()["refreshToken"].is_null()));
    scene.refresh();
    assert_eq!(scene.presented(), 0);
    drop(daemon);
}
