//! Where several stores are kept, each command names the store it is for, and does what it is asked for in that one alone.

use crate::support::Home;
use scripted_server::{Grant, Script, Server, Site, credentials_json};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const EXPIRED: Duration = Duration::ZERO;

/// The usual store and one called "my work", each with a login to the same server.
struct Two {
    home: Home,
    work: PathBuf,
    lab: Site,
    _server: Server,
}

fn two(left: Duration) -> (Two, [Grant; 2]) {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grants = [lab.grant(left), lab.grant(left)];
    let home = Home::with([("lab", &grants[0])]);
    let work = home.path().join("my work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join(".claude.json"), "{}").unwrap();
    fs::write(work.join(".credentials.json"), credentials_json([("lab", &grants[1])])).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/my work\"]\n");
    (Two { home, work, lab, _server: server }, grants)
}

impl Two {
    fn in_work(&self) -> String {
        fs::read_to_string(self.work.join(".credentials.json")).unwrap()
    }

    #[cfg(unix)]
    fn login(&self, name: &str) -> String {
        format!("CLAUDE_CONFIG_DIR='{}' claude mcp login {name}", self.work.display())
    }
}

// Commands for a POSIX shell.
#[cfg(unix)]
#[test]
fn the_login_to_type_is_for_the_store_whose_login_has_ended() {
    let (two, [_, grant]) = two(EXPIRED);
    assert!(two.lab.kill(&grant.refresh_token));
    let (code, told, _) = two.home.told(&["refresh"]);
    assert_eq!(code, 1);
    let login = two.login("lab");
    // They are told apart by their store.
    let usual = two.home.claude().display().to_string();
    assert!(told.contains(&format!("lab ({usual}): refreshed, ")), "{told}");
    assert!(told.contains(&format!("lab ({}): ", two.work.display())), "{told}");
    let (_, checked, _) = two.home.told(&["check"]);
    assert!(checked.contains(&format!("lab ({usual}): ok: ")), "{checked}");
    for command in [&["status"][..], &["check"], &["doctor", "--offline"], &["refresh", "--dry-run"]] {
        let (_, told, said) = two.home.told(command);
        assert!(told.contains(&login), "{command:?}: {told}{said}");
    }
    // The agent says the same.
    let _daemon = two.home.daemon();
    let (_, told, _) = two.home.told(&["status", "lab"]);
    assert!(told.contains(&login), "{told}");
    let status = two.home.status();
    let servers = status["servers"].as_array().unwrap();
    let actions: Vec<_> = servers.iter().map(|server| &server["action"]).collect();
    assert!(actions.contains(&&Value::from(login)) && actions.contains(&&Value::Null), "{actions:?}");
}

#[test]
fn a_refresh_of_one_store_leaves_the_other_alone_with_an_agent_and_without() {
    for with_agent in [false, true] {
        let (two, grants) = two(HOUR);
        let daemon = with_agent.then(|| two.home.daemon());
        let work = two.work.to_str().unwrap();
        let (code, told, said) = two.home.told(&["refresh", "lab", "--force", "--store", work, "--json"]);
        assert_eq!((code, said.as_str()), (0, ""), "{told}");
        let json: Value = serde_json::from_str(&told).unwrap();
        let [only] = json["servers"].as_array().unwrap().as_slice() else { panic!("{json}") };
        assert_eq!((&only["result"], &only["name"]), (&"refreshed".into(), &"lab".into()));
        assert_eq!((&json["dry_run"], &only["action"]), (&false.into(), &Value::Null));
        assert_eq!(only["store"], two.work.join(".credentials.json").to_str().unwrap());
        assert_eq!(only["key"], grants[1].key("lab"));
        assert!(two.home.stored().contains(&grants[0].refresh_token));
        assert!(!two.in_work().contains(&grants[1].refresh_token));
        assert_eq!(two.lab.refreshes(), 1);
        let (code, _, said) = two.home.told(&["refresh", "--store", "/nowhere"]);
        assert_eq!(code, 2);
        assert!(said.contains("no store is at /nowhere; the stores are: ") && said.contains(work), "{said}");
        drop(daemon);
    }
}

#[test]
fn check_and_status_look_at_one_store() {
    let (two, _) = two(HOUR);
    let (usual, work) = (two.home.claude(), two.work.to_str().unwrap());
    let usual = usual.to_str().unwrap();
    fs::write(two.work.join(".credentials.json"), r#"{"mcpOAuth":{}}"#).unwrap();
    assert_eq!(two.home.told(&["check", "--store", work]).1, "no servers with a login\n");
    let (code, told, _) = two.home.told(&["check", "--store", usual]);
    assert!(code == 0 && told.starts_with("lab: ok: valid for "), "{told}");
    for (store, servers) in [(usual, 1), (work, 0), ("~/my work", 0)] {
        let (_, told, _) = two.home.told(&["status", "--json", "--store", store]);
        let json: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(json["servers"].as_array().unwrap().len(), servers, "{store}");
    }
    assert_eq!(two.home.told(&["status", "--store", "nowhere"]).0, 2);
}

// Commands for a POSIX shell.
#[cfg(unix)]
#[test]
fn refresh_says_what_it_did_not_understand() {
    let (two, _) = two(HOUR);
    let text =
        r#"{"mcpOAuth":{"odd|1":{"serverName":"odd","serverUrl":"https://odd.test","accessToken":5}}}"#;
    fs::write(two.work.join(".credentials.json"), text).unwrap();
    let login = two.login("odd");
    for command in [&["refresh"][..], &["refresh", "--dry-run"]] {
        let (code, told, said) = two.home.told(command);
        assert_eq!(code, 1, "{told}{said}");
        assert!(told.starts_with("lab: ") && said.contains("odd: not understood: "), "{told}{said}");
        assert!(said.contains(&login), "{said}");
    }
    let (code, told, said) = two.home.told(&["refresh", "lab"]);
    assert_eq!((code, said.as_str()), (0, ""), "{told}");
    let (_, told, _) = two.home.told(&["refresh", "--dry-run", "--json"]);
    let json: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&json["dry_run"], json["problems"].as_array().unwrap().len()), (&true.into(), 1));
    assert_eq!(json["servers"][0]["result"], "not_due");
}

#[test]
fn a_login_without_refresh_token_that_is_valid_for_days_is_not_called_ended() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(120 * HOUR);
    let home = Home::new();
    let mut entry = grant.entry("lab");
    entry.as_object_mut().unwrap().remove("refreshToken");
    home.store(&serde_json::json!({"mcpOAuth": {grant.key("lab"): entry}}).to_string());
    for command in [&["refresh", "lab", "--force"][..], &["refresh", "lab", "--force", "--dry-run"]] {
        let (_, told, _) = home.told(command);
        assert!(
            told.contains("there is no refresh token, so the login lasts as long as its access token"),
            "{told}"
        );
        assert!(!told.contains("ended") && !told.contains("expired"), "{told}");
    }
}

// Commands for a POSIX shell.
#[cfg(unix)]
#[test]
fn a_folder_used_as_storage_alone_has_the_same_command_from_the_agent_and_without_it() {
    let (two, _) = two(HOUR);
    fs::remove_file(two.work.join(".claude.json")).unwrap();
    let ends = (jiff::Timestamp::now().as_second() + 7200) * 1000;
    let text = format!(
        r#"{{"mcpOAuth":{{"ended|1":{{"serverName":"ended","accessToken":"","expiresAt":0}},"ends|1":{{"serverName":"ends","accessToken":"made-up","expiresAt":{ends}}}}}}}"#
    );
    fs::write(two.work.join(".credentials.json"), text).unwrap();
    let typed =
        format!("type: CLAUDE_SECURESTORAGE_CONFIG_DIR='{}' claude mcp login end", two.work.display());
    for running in [false, true] {
        let _daemon = running.then(|| two.home.daemon());
        let (_, told, _) = two.home.told(&["status"]);
        assert_eq!(told.matches(&typed).count(), 2, "{told}");
    }
}

// Windows does not tell a file in the place of a folder from one that is missing.
#[cfg(unix)]
#[test]
fn a_file_that_is_listed_as_a_store_is_shown_as_it_is_listed() {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("lab", &server.add("lab", Script::default()).grant(HOUR))]);
    home.configure("stores = [\"~/.claude/.credentials.json\"]\n");
    let file = home.credentials().display().to_string();
    let odd = format!("{file}/.credentials.json");
    let why = format!("{file} is a file; the store is a folder with a .credentials.json in it");
    for running in [false, true] {
        let daemon = running.then(|| home.daemon());
        for command in ["status", "check", "refresh", "login --all", "doctor --offline"] {
            let (code, told, said) = home.told(&command.split(' ').collect::<Vec<_>>());
            assert!(!format!("{told}{said}").contains(&odd), "{command}: {told}{said}");
            let expected = if command.starts_with("doctor") { 1 } else { 4 };
            assert!(code == expected && (code == 1 || said.contains(&why)), "{command}: {code} {told}{said}");
        }
        let store = &home.status()["stores"][0];
        assert!(
            store["location"] == *file && store["unreadable"].as_str().unwrap().starts_with(&why),
            "{store}"
        );
        drop(daemon);
    }
}

#[cfg(unix)]
#[test]
fn a_file_in_the_place_of_the_usual_folder_is_to_be_moved_away_and_one_that_is_listed_names_its_folder() {
    let home = Home::new();
    let folder = home.claude();
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::write(&folder, "").unwrap();
    let (file, document) = (folder.display(), home.credentials());
    let away = format!("to move it away, type: mv {file} {file}.old, or name another folder");
    for running in [false, true] {
        let daemon = running.then(|| home.daemon());
        for command in ["status", "check", "refresh", "login --all", "token lab", "own --all"] {
            let (code, told, said) = home.told(&command.split(' ').collect::<Vec<_>>());
            assert!(code == 4 && said.contains(&away), "{running} {command}: {code} {told}{said}");
            assert!(!said.contains("name that folder"), "{running} {command}: {said}");
        }
        drop(daemon);
    }
    fs::remove_file(&folder).unwrap();
    home.store("{}");
    home.configure("stores = [\"~/.claude/.credentials.json\"]\n");
    let (_, _, said) = home.told(&["status"]);
    let named = format!(
        "{} is a file; the store is a folder with a .credentials.json in it: name its folder instead, {file}\n",
        document.display()
    );
    assert!(said.contains(&named), "{said}");
}

/// The commands for a login that a text names, sorted.
#[cfg(unix)]
fn logins_in(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let line = line.trim();
        let line = line.split_once("type: ").map_or(line, |(_, command)| command);
        let line = line.split_once("cure ").map_or(line, |(_, command)| command.trim());
        let login = line.split("  #").next()?;
        login.contains("claude mcp login ").then(|| login.to_owned())
    });
    let mut logins: Vec<_> = lines.collect();
    logins.sort();
    logins
}

// Commands for a POSIX shell.
#[cfg(unix)]
#[test]
fn every_command_names_the_same_login_whatever_this_shell_has_set() {
    for configured in [true, false] {
        let (two, grants) = two(HOUR);
        if !configured {
            fs::remove_file(two.work.join(".claude.json")).unwrap();
        }
        for (folder, grant) in [(two.home.claude(), &grants[0]), (two.work.clone(), &grants[1])] {
            let mut document: Value = serde_json::from_str(&credentials_json([("lab", grant)])).unwrap();
            for entry in document["mcpOAuth"].as_object_mut().unwrap().values_mut() {
                entry["accessToken"] = "".into();
                entry.as_object_mut().unwrap().remove("refreshToken");
            }
            fs::write(folder.join(".credentials.json"), document.to_string()).unwrap();
        }
        two.home.configure("stores = [\"default\", \"~/my work\"]\n");
        let mut agent = two.home.daemon();
        let usual = two.home.claude();
        for set in [
            None,
            Some(("CLAUDE_CONFIG_DIR", &two.work)),
            Some(("CLAUDE_CONFIG_DIR", &usual)),
            Some(("CLAUDE_SECURESTORAGE_CONFIG_DIR", &two.work)),
        ] {
            let told = |arguments: &[&str]| {
                let output = two.home.command(arguments).envs(set).output().unwrap();
                logins_in(&String::from_utf8(output.stdout).unwrap())
            };
            let status = told(&["status"]);
            assert_eq!(status.len(), 2, "{set:?}: {status:?}");
            assert!(
                set.is_none() || status.contains(&"claude mcp login lab".to_owned()),
                "{set:?}: {status:?}"
            );
            assert_ne!(status[0], status[1], "{set:?}");
            for command in [&["check"][..], &["doctor", "--offline"], &["login", "--all", "--dry-run"]] {
                assert_eq!(told(command), status, "{configured} {set:?} {command:?}");
            }
        }
        agent.stop();
    }
}

#[test]
fn what_has_expired_is_refreshed_by_the_same_command_everywhere() {
    let (two, _) = two(EXPIRED);
    two.home.configure("");
    let (_, checked, _) = two.home.told(&["check"]);
    assert!(checked.ends_with("; type: mcp-refreshd refresh lab\n"), "{checked}");
    let (_, told, _) = two.home.told(&["doctor", "--offline"]);
    assert!(told.contains("cure    mcp-refreshd refresh lab\n"), "{told}");
    let (code, told, _) = two.home.told(&["refresh", "lab"]);
    assert!(code == 0 && told.starts_with("lab: refreshed"), "{told}");
}

// On Windows the log is no standard error of a process that ends by a signal.
#[cfg(unix)]
#[test]
fn the_log_begins_with_the_file_that_is_in_the_place_of_a_store() {
    let home = Home::new();
    fs::write(home.path().join("file"), "").unwrap();
    home.configure("stores = [\"~/file\"]\n");
    let (end, log) = home.daemon().terminate();
    let first = log.lines().next().unwrap_or_default();
    assert!(end.success() && first.contains("/file is a file; the store is a folder"), "{log}");
    assert!(!log.contains("os error"), "{log}");
}
