//! The real program with Claude Code's document in a Keychain, played by a stand-in for the Keychain's tool.

mod doctor;
mod mac;

use crate::support::{Daemon, PATIENCE};
use mac::{ITEM, Mac, SERVICE};
use rustix::process::Signal;
use scripted_security::overflow;
use scripted_server::{Answer, Grant, Script, Server, credentials_json};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

const EXPIRED: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A document with this grant and about so many bytes.
fn of_size(grant: &Grant, bytes: usize) -> String {
    let mut document: Value = serde_json::from_str(&credentials_json([("lab", grant)])).unwrap();
    let filling = bytes.saturating_sub(document.to_string().len() + 40);
    document["claudeAiOauth"] = json!({"accessToken": format!("sk-{}", "x".repeat(filling))});
    document.to_string()
}

#[test]
fn an_expired_entry_is_refreshed_at_once_and_written_into_the_item() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    let mac = Mac::with(&credentials_json([("lab", &grant)]));
    let mut daemon = mac.start();
    daemon.wait_for("lab: refreshed");
    assert!(mac.holds_a_good_token(&lab, &grant, "lab"));
    assert_eq!(server.token_requests_by("mcp-refreshd"), 1);
    let status: Value = serde_json::from_str(&mac.told(&["status", "--json"]).1).unwrap();
    assert_eq!(
        (&status["servers"][0]["state"], &status["servers"][0]["store"]),
        (&"fresh".into(), &ITEM.into())
    );
    assert!(daemon.terminate().0.success());
    assert!(!mac.home.credentials().exists(), "nothing falls back to a file");
    // Without an agent the same is read by the command itself.
    let (code, told, _) = mac.told(&["check", "lab"]);
    assert!(code == 0 && told.starts_with("lab: ok"), "{told}");
    let (code, told, _) = mac.told(&["refresh", "lab", "--force"]);
    assert!(code == 0 && told.starts_with("lab: refreshed"), "{told}");
    assert!(mac.holds_a_good_token(&lab, &grant, "lab"));
}

#[test]
fn documents_of_every_size_are_written_and_no_token_is_an_argument_unless_it_must_be() {
    for (size, as_argument) in [(1_200, false), (6 << 10, true), (60 << 10, true)] {
        let server = Server::start(Script::default()).unwrap();
        let lab = server.add("lab", Script::default());
        let grant = lab.grant(EXPIRED);
        let mac = Mac::with(&of_size(&grant, size));
        let before = mac.stored()["claudeAiOauth"].clone();
        mac.home.configure("keychain = \"security\"\n[log]\nlevel = \"debug\"\n");
        let mut daemon = mac.start();
        daemon.wait_for("lab: refreshed");
        assert!(mac.holds_a_good_token(&lab, &grant, "lab"), "{size}");
        assert_eq!(mac.stored()["claudeAiOauth"], before);
        let after = mac.refresh_token(&grant, "lab");
        let (_, log) = daemon.terminate();
        assert!(!log.contains(&grant.refresh_token) && !log.contains(&after), "{log}");

        let calls = mac.keychain.calls().unwrap();
        let written = |call: &&scripted_security::Call| call.arguments.iter().any(|word| word == "-X");
        assert_eq!(calls.iter().any(|call| written(&call)), as_argument, "{size}");
        assert_eq!(calls.iter().any(|call| call.arguments == ["-i"] && call.input > 1_000), !as_argument);
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        for call in &calls {
            let names: Vec<_> = call.environment.keys().map(String::as_str).collect();
            assert_eq!(names, ["HOME", "USER"], "nothing else is handed on");
            for token in [&grant.refresh_token, &grant.access_token, &after] {
                for form in [token.clone(), hex(token)] {
                    assert!(call.environment.values().all(|value| !value.contains(&form)));
                    let shown = call.arguments.iter().any(|word| word.contains(&form));
                    assert!(!shown || (as_argument && written(&call)), "{:?}", call.arguments);
                }
            }
        }
    }
}

#[test]
fn where_arguments_are_refused_no_request_is_made_for_a_large_document() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(EXPIRED);
    let mac = Mac::with(&of_size(&grant, 6 << 10));
    mac.home.configure("keychain = \"security\"\nkeychain_large_items = \"refuse\"\n");
    let mut daemon = mac.start();
    let line = daemon.wait_for("keychain_large_items");
    assert!(line.contains("too large"), "{line}");
    assert_eq!(server.token_requests_by(""), 0);
    assert!(mac.keychain.calls().unwrap().iter().all(|call| !call.arguments.contains(&"-X".to_owned())));
}

#[test]
fn a_storm_of_expired_entries_costs_one_request_each_and_a_few_writes() {
    let server = Server::start(Script::default()).unwrap();
    let names: Vec<String> = (0..20).map(|number| format!("server{number}")).collect();
    let sites: Vec<_> = names.iter().map(|name| server.add(name, Script::default())).collect();
    let grants: Vec<_> = sites.iter().map(|site| site.grant(EXPIRED)).collect();
    let mac = Mac::with(&credentials_json(names.iter().map(String::as_str).zip(&grants)));
    let daemon = mac.start();
    let all_good = || {
        let each = names.iter().zip(&sites).zip(&grants);
        each.into_iter().all(|((name, site), grant)| mac.holds_a_good_token(site, grant, name))
    };
    until("all are fresh", all_good);
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (20, 0));
    assert!(daemon.terminate().0.success());
    let calls = mac.keychain.calls().unwrap();
    let writes =
        calls.iter().filter(|call| call.arguments[0] == "-i" || call.arguments.contains(&"-X".to_owned()));
    assert!(writes.count() < 20, "they share writes");
}

#[test]
fn what_a_client_writes_during_a_refresh_is_kept() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let other = server.add("other", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_secs(1)));
    let (grant, first, second) = (lab.grant(EXPIRED), other.grant(HOUR), other.grant(HOUR));
    let mac = Mac::with(&credentials_json([("lab", &grant), ("other", &first)]));
    let mut daemon = mac.start();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    mac.put(&credentials_json([("lab", &grant), ("other", &second)]));
    daemon.wait_for("lab: refreshed");
    assert!(mac.holds_a_good_token(&lab, &grant, "lab"));
    assert_eq!(mac.refresh_token(&second, "other"), second.refresh_token);
}

#[test]
fn locked_with_the_refresh_done_the_pair_waits_in_the_journal_and_is_written_when_it_opens() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_next(Answer::default().after(Duration::from_millis(700)));
    let grant = lab.grant(EXPIRED);
    let mac = Mac::with(&credentials_json([("lab", &grant)]));
    // What a client fell back to must not be taken for the store while the Keychain is locked.
    mac.home.store("{\"mcpOAuth\":{}}");
    let mut daemon = mac.start();
    assert!(server.wait_for(PATIENCE, |log| log.iter().any(|entry| entry.field("refresh_token").is_some())));
    mac.keychain.behave(|keychain| keychain.locked = true).unwrap();
    let line = daemon.wait_for("is locked");
    assert!(line.contains(ITEM), "{line}");
    assert_eq!(mac.refresh_token(&grant, "lab"), grant.refresh_token);
    let journal = mac.home.state().join("journal");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&journal).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // A kill and a start with the Keychain still locked change nothing.
    daemon.signal(Signal::KILL);
    drop(daemon);
    let mut daemon = mac.start();
    daemon.wait_for("started (process");
    assert_eq!(mac.told(&["status"]).0, 4, "it cannot be read, and is not called empty");
    mac.keychain.behave(|keychain| keychain.locked = false).unwrap();
    until("the pair is written", || mac.holds_a_good_token(&lab, &grant, "lab"));
    assert_eq!((server.token_requests_by("mcp-refreshd"), server.reuses_by("")), (1, 0));
    assert_eq!(mac.home.stored(), "{\"mcpOAuth\":{}}");
}

#[test]
fn killed_at_any_call_of_the_tool_it_loses_no_grant() {
    let mut last = 0;
    // From the first read under the refresh lock to the last one after the write; the engine's tests take every call.
    for calls in [6, 9, 11, 12, 13, 14] {
        let server = Server::start(Script::default()).unwrap();
        let lab = server.add("lab", Script::default());
        let grant = lab.grant(EXPIRED);
        let mac = Mac::with(&credentials_json([("lab", &grant)]));
        mac.keychain.behave(|keychain| keychain.delay = Duration::from_millis(60)).unwrap();
        let daemon = mac.start();
        let at = || mac.keychain.calls().unwrap().len();
        let refreshed = || mac.refresh_token(&grant, "lab") != grant.refresh_token;
        until("the call", || at() >= calls || refreshed());
        daemon.signal(Signal::KILL);
        drop(daemon);
        last = last.max(at());
        // It may leave a lock behind, which looks dead to everybody after a while. The engine's tests wait for that in virtual time.
        for left in std::fs::read_dir(mac.home.path().join(".claude")).unwrap() {
            std::fs::remove_dir(left.unwrap().path()).unwrap();
        }
        let mut daemon = mac.start();
        daemon.wait_for("started (process");
        let ambiguous = || mac.told(&["status", "--json"]).1.contains("\"ambiguous\"");
        until("an end", || mac.holds_a_good_token(&lab, &grant, "lab") || ambiguous());
        assert_eq!(server.reuses_by(""), 0, "call {calls}");
        assert!(daemon.terminate().0.success());
    }
    assert!(last >= 10, "{last}");
}

#[test]
fn a_stub_in_the_file_does_not_hide_a_good_item() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    let mac = Mac::with(&credentials_json([("lab", &grant)]));
    let stub =
        json!({"mcpOAuth": {grant.key("lab"): {"serverName": "lab", "accessToken": "", "expiresAt": 0}}});
    mac.home.store(&stub.to_string());
    let mut daemon = mac.start();
    daemon.wait_for("holds nothing that can be refreshed");
    daemon.wait_for("lab: refreshed");
    assert!(mac.holds_a_good_token(&lab, &grant, "lab"));
    assert_eq!(mac.home.stored(), stub.to_string(), "the file is left alone");
}

#[test]
fn of_two_stores_with_different_logins_the_later_one_is_used_and_the_other_left_alone_and_named() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let (old, new) = (lab.grant(EXPIRED), lab.grant(Duration::from_secs(400)));
    let mac = Mac::with(&credentials_json([("lab", &old)]));
    mac.home.store(&credentials_json([("lab", &new)]));
    let mut daemon = mac.start();
    let line = daemon.wait_for("hold different logins");
    assert!(
        line.contains(ITEM) && line.contains(".credentials.json, since its tokens expire later"),
        "{line}"
    );
    daemon.wait_for("lab: refreshed");
    assert_ne!(mac.home.stored(), credentials_json([("lab", &new)]));
    assert_eq!(mac.refresh_token(&old, "lab"), old.refresh_token);
    assert_eq!(server.reuses_by(""), 0);
}

#[test]
fn an_item_of_another_folder_is_never_used() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(EXPIRED);
    let mac = Mac::empty();
    mac.keychain.put(&format!("{SERVICE}-0123abcd"), "me", credentials_json([("lab", &grant)])).unwrap();
    mac.keychain.put(SERVICE, "somebody-else", credentials_json([("lab", &grant)])).unwrap();
    let mut daemon = mac.start();
    daemon.wait_for("started (process");
    let (code, told, _) = mac.told(&["status"]);
    assert_eq!((code, told.as_str()), (0, ""));
    let (_, log) = daemon.terminate();
    assert!(log.contains(&format!("{ITEM} does not exist yet")), "{log}");
    assert_eq!(server.token_requests_by(""), 0);
    let changes = |call: &scripted_security::Call| {
        call.arguments[0] == "-i" || call.arguments[0] == "add-generic-password"
    };
    assert!(!mac.keychain.calls().unwrap().iter().any(changes), "no item is ever made");
}

#[test]
fn a_folder_variable_names_the_item() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    let mac = Mac::empty();
    // printf %s /srv/c | sha256sum
    mac.keychain.put("Claude Code-credentials-89de82ef", "me", credentials_json([("lab", &grant)])).unwrap();
    let mut command = mac.command(&["check", "--quiet"]);
    let end = command.env("CLAUDE_CONFIG_DIR", "/srv/c").status().unwrap();
    assert_eq!(end.code(), Some(1), "it is there, and has expired");
}

#[test]
fn without_the_tool_it_says_so_once_and_goes_on() {
    let mac = Mac::empty();
    let mut daemon = Daemon::start(mac.home.command(&["run"]));
    daemon.wait_for("started (process");
    let (_, log) = daemon.terminate();
    assert_eq!(log.matches("cannot run /usr/bin/security").count(), 1, "{log}");
}

#[test]
fn a_tool_that_never_ends_holds_up_neither_questions_nor_the_end() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(HOUR);
    let mac = Mac::with(&credentials_json([("lab", &grant)]));
    let mut daemon = mac.start();
    daemon.wait_for("started (process");
    mac.keychain.behave(|keychain| keychain.hangs = true).unwrap();
    let asking = mac
        .command(&["refresh", "lab", "--force"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the tool hangs", || {
        mac.keychain.calls().unwrap().last().unwrap().arguments.contains(&"-w".to_owned())
    });
    let began = Instant::now();
    assert_eq!(mac.told(&["status"]).0, 0);
    assert!(began.elapsed() < Duration::from_secs(5));
    daemon.signal(Signal::TERM);
    assert!(daemon.end().0.success(), "it ends at once, since nothing is on the wire");
    assert!(!asking.wait_with_output().unwrap().status.success());
    assert_eq!(server.token_requests_by(""), 0, "what cannot be read cannot be written");
}

#[test]
fn a_login_in_the_overflow_item_is_refreshed_and_sealed_again_without_its_key_in_any_argument() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(EXPIRED);
    let text = of_size(&grant, 1_400);
    let (main, sealed) = overflow::divided(&text, &[&grant.key("lab")], "b");
    let mac = Mac::with(&main);
    mac.keychain.put(&format!("{SERVICE}-overflow-b"), "me", sealed).unwrap();
    mac.home.configure("keychain = \"security\"\nkeychain_large_items = \"refuse\"\n");
    let mut daemon = mac.start();
    daemon.wait_for("lab: refreshed");
    daemon.terminate();
    let main = mac.keychain.content(SERVICE).unwrap();
    assert_eq!(overflow::slot(&main).as_deref(), Some("a"));
    let sealed = mac.keychain.content(&format!("{SERVICE}-overflow-a")).unwrap();
    let whole: Value = serde_json::from_str(&overflow::merged(&main, &sealed).unwrap()).unwrap();
    let after = whole["mcpOAuth"][grant.key("lab")]["refreshToken"].as_str().unwrap().to_owned();
    let access = whole["mcpOAuth"][grant.key("lab")]["accessToken"].as_str().unwrap();
    assert!(lab.accepts(access) && after != grant.refresh_token);
    assert_eq!(whole["claudeAiOauth"], serde_json::from_str::<Value>(&text).unwrap()["claudeAiOauth"]);
    let main: Value = serde_json::from_str(&main).unwrap();
    let key = main["keychainOverflow"]["key"].as_str().unwrap();
    for call in mac.keychain.calls().unwrap() {
        for word in &call.arguments {
            assert!(!word.contains(key) && !word.contains(&after) && word != "-X", "{:?}", call.arguments);
        }
    }
}
