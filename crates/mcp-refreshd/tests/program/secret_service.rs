//! The real program with the document in the Secret Service, kept by a real `gnome-keyring-daemon`. `tests/secret-service/run.sh` makes the
//! session that it needs, and runs it; nothing else does.

#[path = "../../../../tests/secret-service/gnome_keyring.rs"]
mod gnome_keyring;

use crate::support::{Daemon, Home, PATIENCE};
use gnome_keyring::{ACCOUNT, GnomeKeyring, document, put_document};
use rustix::process::Signal;
use scripted_server::{Answer, Grant, Script, Server, Site, credentials_json};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

const EXPIRED: Duration = Duration::ZERO;
const ITEM: &str = "secret-service:Claude Code-credentials (account tester)";

/// A home folder whose document is in the keyring.
fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path().join(".claude")).unwrap();
    home.configure("keychain = \"secret-service\"\n");
    home
}

fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command.env("USER", ACCOUNT);
    command.env("DBUS_SESSION_BUS_ADDRESS", std::env::var_os("DBUS_SESSION_BUS_ADDRESS").unwrap());
    command
}

fn start(home: &Home) -> Daemon {
    let mut daemon = Daemon::start(command(home, &["run"]));
    daemon.wait_for("started (process");
    daemon
}

fn status(home: &Home) -> Value {
    serde_json::from_slice(&command(home, &["status", "--json"]).output().unwrap().stdout).unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the item holds a token that the server accepts.
fn is_good(site: &Site, grant: &Grant) -> bool {
    let stored: Value = serde_json::from_str(&document()).unwrap_or_default();
    stored["mcpOAuth"][grant.key("lab")]["accessToken"].as_str().is_some_and(|token| site.accepts(token))
}

fn request_is_under_way(server: &Server) -> bool {
    server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some()))
}

#[test]
fn an_expired_entry_is_refreshed_and_written_into_the_item() {
    let _keyring = GnomeKeyring::start();
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    put_document(&credentials_json([("lab", &grant)]));
    let home = home();
    let daemon = start(&home);
    until("the entry is fresh", || is_good(&lab, &grant));
    until("status says so", || status(&home)["servers"][0]["state"] == "fresh");
    assert_eq!(status(&home)["servers"][0]["store"], ITEM);
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (1, 0));
    assert!(daemon.terminate().0.success());
    assert!(!home.credentials().exists(), "nothing falls back to a file");
    let told = command(&home, &["refresh", "lab", "--force"]).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    assert!(is_good(&lab, &grant));
}

#[test]
fn a_keyring_that_dies_during_the_request_gets_the_pair_when_it_is_back() {
    let mut keyring = GnomeKeyring::start();
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_secs(1)));
    let grant = lab.grant(EXPIRED);
    put_document(&credentials_json([("lab", &grant)]));
    let home = home();
    let mut daemon = start(&home);
    assert!(request_is_under_way(&server));
    keyring.kill();
    let line = daemon.wait_for("no keyring service");
    assert!(line.contains(ITEM), "{line}");
    // The agent dies, too; the pair is in the journal alone.
    daemon.signal(Signal::KILL);
    drop(daemon);
    let _daemon = start(&home);
    keyring.restart(true);
    until("the pair is written", || is_good(&lab, &grant));
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (1, 0));
}

#[test]
fn a_collection_locked_during_the_request_gets_the_pair_when_it_opens() {
    let mut keyring = GnomeKeyring::start();
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_secs(1)));
    let grant = lab.grant(EXPIRED);
    put_document(&credentials_json([("lab", &grant)]));
    let home = home();
    let mut daemon = start(&home);
    assert!(request_is_under_way(&server));
    keyring.lock();
    daemon.wait_for("is locked");
    // There for everybody, and closed since the start.
    keyring.restart(false);
    let told = command(&home, &["status"]).output().unwrap();
    assert_ne!(told.status.code(), Some(0), "{told:?}");
    keyring.restart(true);
    until("the pair is written", || is_good(&lab, &grant));
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (1, 0));
}

#[test]
fn a_keyring_that_hangs_does_not_stop_the_agent() {
    let keyring = GnomeKeyring::start();
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_secs(1)));
    let grant = lab.grant(EXPIRED);
    put_document(&credentials_json([("lab", &grant)]));
    let home = home();
    let mut daemon = start(&home);
    assert!(request_is_under_way(&server));
    keyring.signal(Signal::STOP);
    daemon.wait_for("did not respond in time");
    // Its loop answers at once all the while.
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(status(&home)["agent"]["running"], true);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    keyring.signal(Signal::CONT);
    until("the pair is written", || is_good(&lab, &grant));
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (1, 0));
}

#[test]
fn without_a_session_bus_the_trouble_has_a_name() {
    let home = home();
    let mut command = command(&home, &["status"]);
    let output =
        command.env_remove("DBUS_SESSION_BUS_ADDRESS").env("XDG_RUNTIME_DIR", home.path()).output().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("keyring service"), "{told}");
}

#[test]
fn secret_service_holds_the_vault_and_a_locked_one_loses_nothing() {
    let mut keyring = GnomeKeyring::start();
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(Duration::from_secs(3600));
    let home = Home::with([("lab", &grant)]);
    let configured = serde_json::json!({"mcpServers": {"lab": {"type": "http", "url": lab.mcp_url()}}});
    std::fs::write(home.path().join(".claude.json"), configured.to_string()).unwrap();
    let item = || {
        let account = format!("vault of {}", home.state().display());
        let output = Command::new("secret-tool")
            .args(["lookup", "service", "mcp-refreshd", "account", &account])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let told = |arguments: &[&str]| {
        let output = command(&home, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    let daemon = start(&home);
    let (code, text) = told(&["own", "lab"]);
    assert_eq!(code, 0, "{text}");
    assert!(item().contains(&grant.refresh_token) && !home.stored().contains(&grant.refresh_token));
    assert!(!home.state().join("vault/.credentials.json").exists(), "nothing is in a file");
    let (code, text) = told(&["refresh", "lab", "--force"]);
    assert!(code == 0 && text.contains("refreshed, valid"), "{text}");
    assert!(!item().contains(&grant.refresh_token));
    // Locked: said, and nothing else is made of it.
    keyring.lock();
    keyring.restart(false);
    drop(daemon);
    let daemon = start(&home);
    let (code, text) = told(&["status"]);
    assert!(code != 0 && text.contains("locked"), "{text}");
    let (code, text) = told(&["doctor", "--offline"]);
    assert!(code == 1 && text.contains("vault-unreadable") && text.contains("locked"), "{text}");
    let (code, text) = told(&["disown", "lab"]);
    assert!(code != 0 && text.contains("locked"), "{text}");
    // Unlocked: it goes on by itself.
    keyring.restart(true);
    until("it is refreshed again", || told(&["refresh", "lab", "--force"]).1.contains("refreshed, valid"));
    let (code, text) = told(&["disown", "lab"]);
    assert_eq!(code, 0, "{text}");
    let stored: Value = serde_json::from_str(&home.stored()).unwrap();
    let access = stored["mcpOAuth"][grant.key("lab")]["accessToken"].as_str().unwrap().to_owned();
    assert!(lab.accepts(&access));
    assert_eq!((server.reuses_by(""), lab.families_revoked()), (0, 0));
    drop(daemon);
}
