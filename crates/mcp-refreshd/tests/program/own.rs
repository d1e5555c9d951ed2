//! `own` and `disown`: a grant moves into the vault and back, with an agent and without one.

use crate::support::terminal::Terminal;
use crate::support::{Home, PATIENCE};
use harness::until;
use scripted_server::{Grant, Script, Server, Site};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A server called lab, configured for the user and in one trusted project.
struct Scene {
    home: Home,
    lab: Site,
    grant: Grant,
    _server: Server,
}

type Break<'a> = &'a dyn Fn(&Scene);

impl Scene {
    fn new(left: Duration) -> Self {
        let server = Server::start(Script::default()).unwrap();
        let lab = server.add("lab", Script::default());
        let grant = lab.grant(left);
        let home = Home::with([("lab", &grant)]);
        let scene = Self { home, lab, grant, _server: server };
        fs::create_dir(scene.project()).unwrap();
        scene.configure(true);
        fs::write(scene.project().join(".mcp.json"), scene.configured().to_string()).unwrap();
        scene
    }

    fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    fn user_config(&self) -> PathBuf {
        self.home.path().join(".claude.json")
    }

    fn configured(&self) -> Value {
        json!({"mcpServers": {"lab": {"type": "http", "url": self.lab.mcp_url()}}})
    }

    fn configure(&self, trusted: bool) {
        let mut configuration = self.configured();
        configuration["projects"] =
            json!({self.project().to_str().unwrap(): {"hasTrustDialogAccepted": trusted}});
        fs::write(self.user_config(), serde_json::to_string_pretty(&configuration).unwrap()).unwrap();
    }

    fn files(&self) -> [String; 2] {
        [self.user_config(), self.project().join(".mcp.json")].map(|file| fs::read_to_string(file).unwrap())
    }

    fn vault(&self) -> String {
        fs::read_to_string(self.home.state().join("vault/.credentials.json")).unwrap_or_default()
    }

    /// Where the present refresh token is: in Claude Code's store, in the vault.
    fn places(&self) -> (bool, bool) {
        let holds = |text: &str| {
            let document: Value = serde_json::from_str(text).unwrap_or_default();
            document["mcpOAuth"][self.grant.key("lab")]["refreshToken"].is_string()
        };
        (holds(&self.home.stored()), holds(&self.vault()))
    }

    fn findings(&self) -> Vec<String> {
        let (_, out, _) = self.home.told(&["doctor", "--offline", "--json"]);
        let json: Value = serde_json::from_str(&out).unwrap();
        let findings = json["findings"].as_array().unwrap().clone();
        findings.iter().map(|finding| finding["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_grant_moves_into_the_vault_and_back_and_every_file_is_as_it_was() {
    for with_agent in [false, true] {
        let scene = Scene::new(HOUR);
        let (files, stored) = (scene.files(), scene.home.stored());
        let daemon = with_agent.then(|| scene.home.daemon());
        let (code, out, err) = scene.home.told(&["own", "lab"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert_eq!(scene.places(), (false, true));
        assert!(
            scene.files().iter().all(|text| text.contains("mcp-refreshd headers lab")),
            "{:?}",
            scene.files()
        );
        assert!(!scene.findings().iter().any(|name| name.contains("own") || name.contains("helper")));
        // It is refreshed there, and `status` says who owns it.
        let (code, out, err) = scene.home.told(&["refresh", "lab", "--force"]);
        assert!(code == 0 && out.contains("refreshed, valid"), "{out}{err}");
        let status = scene.home.status();
        let [lab] = status["servers"].as_array().unwrap().as_slice() else { panic!("{status}") };
        assert_eq!((&lab["owner"], &lab["state"]), (&json!("agent"), &json!("fresh")));
        // Once more does nothing.
        assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
        let (code, out, err) = scene.home.told(&["disown", "lab"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert_eq!(scene.places(), (true, false));
        assert_eq!(scene.files(), files);
        assert_eq!(scene.home.status()["servers"][0]["owner"], "shared");
        // The current pair, in the entry as it was.
        let now: Value = serde_json::from_str(&scene.home.stored()).unwrap();
        let before: Value = serde_json::from_str(&stored).unwrap();
        let entry = |document: &Value| document["mcpOAuth"][scene.grant.key("lab")].clone();
        assert!(scene.lab.accepts(entry(&now)["accessToken"].as_str().unwrap()));
        for member in ["serverName", "serverUrl", "clientId", "issuer", "redirectUri", "discoveryState"] {
            assert_eq!(entry(&now)[member], entry(&before)[member]);
        }
        assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
        assert_eq!((scene.lab.refreshes(), scene.lab.families_revoked()), (2, 0));
        drop(daemon);
    }
}

#[test]
fn an_agent_goes_on_with_what_was_moved_while_it_ran() {
    let scene = Scene::new(Duration::from_secs(400));
    let mut daemon = scene.home.daemon();
    daemon.wait_for("refreshed, valid for");
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    daemon.wait_for("was moved between");
    // A session leaves a stub: nobody is told to log in.
    let key = scene.grant.key("lab");
    scene.home.store(&json!({"mcpOAuth": {key: {"serverName": "lab", "serverUrl": scene.lab.mcp_url(), "accessToken": "", "expiresAt": 0}}}).to_string());
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
    let status = scene.home.status();
    assert_eq!(status["servers"].as_array().unwrap().len(), 1, "{status}");
    // Given back over the stub.
    assert_eq!(scene.home.told(&["disown", "--all"]).0, 0);
    assert_eq!(scene.places(), (true, false));
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
    let (_, log) = daemon.terminate();
    assert!(!log.contains("needs you") && !log.contains("vanished"), "{log}");
    assert_eq!(scene.lab.families_revoked(), 0);
}

#[test]
fn an_expired_token_is_refreshed_before_it_moves_and_a_dead_one_stays() {
    let scene = Scene::new(Duration::ZERO);
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    assert_eq!((scene.lab.refreshes(), scene.places()), (1, (false, true)));
    let scene = Scene::new(Duration::ZERO);
    assert!(scene.lab.kill(&scene.grant.refresh_token));
    let before = scene.files();
    let (code, _, err) = scene.home.told(&["own", "lab"]);
    assert!(code == 1 && err.contains("cannot be refreshed"), "{err}");
    assert_eq!((scene.places(), scene.files()), ((true, false), before));
}

#[test]
fn what_cannot_be_owned_is_refused_with_words_and_nothing_changes() {
    let cases: [(&str, Break<'_>); 6] = [
        ("`headersHelper` of its own", &|scene| {
            let text = json!({"mcpServers": {"lab": {"url": scene.lab.mcp_url(), "headersHelper": "mine"}}});
            fs::write(scene.user_config(), text.to_string()).unwrap();
        }),
        ("`Authorization` header", &|scene| {
            let text = json!({"mcpServers": {"lab": {"url": scene.lab.mcp_url(), "headers": {"Authorization": "x"}}}});
            fs::write(scene.user_config(), text.to_string()).unwrap();
        }),
        ("you have not trusted", &|scene| scene.configure(false)),
        ("no configuration", &|scene| fs::write(scene.user_config(), "{}").unwrap()),
        ("cannot be understood", &|scene| fs::write(scene.user_config(), "{").unwrap()),
        ("permission denied", &|scene| {
            fs::set_permissions(scene.user_config(), fs::Permissions::from_mode(0o400)).unwrap();
        }),
    ];
    for (words, break_it) in cases {
        let scene = Scene::new(HOUR);
        break_it(&scene);
        let (before, stored) = (scene.files(), scene.home.stored());
        for command in [&["own", "lab", "--dry-run"][..], &["own", "lab"], &["own", "--all"]] {
            let (code, out, err) = scene.home.told(command);
            assert!(code == 1 && err.contains(words), "{command:?}: {words}: {out}{err}");
        }
        assert_eq!((scene.files(), scene.home.stored()), (before, stored), "{words}");
        assert_eq!(scene.lab.refreshes(), 0);
    }
    let scene = Scene::new(HOUR);
    assert_eq!(scene.home.told(&["own", "nobody"]).0, 2);
    assert_eq!(scene.home.told(&["disown", "nobody"]).0, 2);
    assert_eq!(
        scene.home.told(&["disown", "--all"]),
        (0, "no login is in the vault\n".to_owned(), String::new())
    );
}

#[test]
fn a_configuration_edited_meanwhile_loses_nothing_but_the_helper() {
    let scene = Scene::new(HOUR);
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    let edited = scene.files()[0].replace("\"type\": \"http\"", "\"type\": \"http\", \"timeout\": 7");
    fs::write(scene.user_config(), &edited).unwrap();
    fs::remove_file(scene.project().join(".mcp.json")).unwrap();
    let (code, out, err) = scene.home.told(&["disown", "lab"]);
    assert_eq!(code, 0, "{out}{err}");
    let now = fs::read_to_string(scene.user_config()).unwrap();
    assert!(now.contains("\"timeout\": 7") && !now.contains("headersHelper"), "{now}");
    assert_eq!(scene.places(), (true, false));
}

#[test]
fn doctor_finds_a_lost_helper_one_that_leads_nowhere_and_one_too_many() {
    let scene = Scene::new(HOUR);
    let plain = scene.files();
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    let owned = scene.files();
    scene.configure(true);
    fs::write(scene.project().join(".mcp.json"), &plain[1]).unwrap();
    assert!(scene.findings().contains(&"owned-not-configured".to_owned()), "{:?}", scene.findings());
    // Typed again, it is completed.
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    assert_eq!(scene.files(), owned);
    let moved = owned[0].replace(env!("CARGO_BIN_EXE_mcp-refreshd"), "/nowhere/mcp-refreshd");
    assert_ne!(moved, owned[0]);
    fs::write(scene.user_config(), moved).unwrap();
    assert!(scene.findings().contains(&"helper-gone".to_owned()), "{:?}", scene.findings());
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    assert_eq!(scene.files(), owned);
    assert_eq!(scene.home.told(&["disown", "lab"]).0, 0);
    fs::write(scene.user_config(), &owned[0]).unwrap();
    assert!(scene.findings().contains(&"helper-not-owned".to_owned()), "{:?}", scene.findings());
    assert_eq!(scene.home.told(&["disown", "lab"]).0, 0);
    assert!(!scene.findings().iter().any(|name| name.contains("helper")), "{:?}", scene.findings());
}

#[test]
fn a_newer_login_in_claude_codes_store_is_kept() {
    for command in ["own", "disown"] {
        let scene = Scene::new(HOUR);
        assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
        let newer = scene.lab.grant(HOUR);
        scene.home.store(&scripted_server::credentials_json([("lab", &newer)]));
        let (code, out, err) = scene.home.told(&[command, "lab"]);
        assert_eq!(code, 0, "{out}{err}");
        let (stored, vault) = (scene.home.stored(), scene.vault());
        let place = if command == "own" { vault } else { stored };
        assert!(place.contains(&newer.refresh_token), "{command}");
        assert_eq!(scene.places(), (command == "disown", command == "own"));
        assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
        let old = |entry: &scripted_server::Entry| {
            entry.field("refresh_token") == Some(&*scene.grant.refresh_token)
        };
        assert_eq!(scene.lab.count(old), 0);
    }
}

#[test]
fn a_move_that_was_cut_off_is_settled_by_the_next_agent() {
    let scene = Scene::new(HOUR);
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    let ledger = scene.home.state().join("vault/ledger.json");
    let text = fs::read_to_string(&ledger).unwrap().replace("\"owned\"", "\"entering\"");
    fs::write(&ledger, &text).unwrap();
    // As if the process had died before the removal: Claude Code's store decides, whatever the copy holds.
    scene.home.store(&scripted_server::credentials_json([("lab", &scene.grant)]));
    let daemon = scene.home.daemon();
    let settled = || !fs::read_to_string(&ledger).unwrap_or_default().contains("entering");
    assert!(until(PATIENCE, settled));
    assert_eq!(scene.places(), (true, false));
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
    assert_eq!((scene.lab.refreshes(), scene.lab.families_revoked()), (1, 0));
    drop(daemon);
}

#[test]
fn a_purge_takes_no_login_with_it() {
    let scene = Scene::new(HOUR);
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    for choice in ["--yes", "--dry-run"] {
        let (code, _, err) = scene.home.told(&["uninstall", "--purge", choice]);
        assert!(code == 1 && err.contains("the login of lab") && err.contains("disown --all"), "{err}");
    }
    assert_eq!(scene.places(), (false, true));
    assert_eq!(scene.home.told(&["disown", "--all"]).0, 0);
    assert!(!scene.home.told(&["uninstall", "--purge", "--yes"]).2.contains("the login of lab"));
}

#[test]
fn what_is_not_moved_leaves_nothing_behind() {
    let scene = Scene::new(HOUR);
    let before = scene.home.stored();
    for command in
        [["own", "lba"], ["disown", "lba"], ["own", "--dry-run"], ["disown", "lab"], ["disown", "--all"]]
    {
        let command =
            if command[1] == "--dry-run" { vec!["own", "lab", "--dry-run"] } else { command.to_vec() };
        let (code, out, err) = scene.home.told(&command);
        if command[1] == "lba" {
            assert_eq!(code, 2, "{out}{err}");
            assert!(err.contains("no server is called lba; did you mean lab?"), "{command:?}: {err}");
        } else {
            assert_eq!(code, 0, "{command:?}: {out}{err}");
        }
        assert!(!scene.home.state().exists(), "{command:?}");
    }
    assert!(scene.home.told(&["disown", "lab"]).2.contains("in Claude Code's store already"));
    assert_eq!(scene.home.stored(), before);
}

#[test]
fn a_vault_that_holds_nothing_is_not_shown() {
    let scene = Scene::new(HOUR);
    let daemon = scene.home.daemon();
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    let shown = || {
        let mut command = scene.home.command(&["status"]);
        command.envs([("TERM", "xterm"), ("NO_COLOR", "1")]);
        Terminal::start(command, 120, 24).end().1
    };
    let text = shown();
    assert!(text.contains("(the vault)") && text.contains("Watching 2 stores"), "{text}");
    assert_eq!(scene.home.told(&["disown", "lab"]).0, 0);
    let text = shown();
    assert!(!text.contains("vault") && !text.contains("2 stores"), "{text}");
    drop(daemon);
}

#[test]
fn an_entry_that_is_not_understood_is_skipped_and_reported() {
    let scene = Scene::new(HOUR);
    let mut document: Value = serde_json::from_str(&scene.home.stored()).unwrap();
    document["mcpOAuth"]["junk|1"] = json!({"serverName": "junk", "accessToken": 5});
    scene.home.store(&document.to_string());
    let why = "`accessToken` must be a string, not a number; log in again: claude mcp login junk";
    for with_agent in [false, true] {
        let daemon = with_agent.then(|| scene.home.daemon());
        let commands: [(&[&str], i32); 6] = [
            (&["own", "--all", "--dry-run"], 1),
            (&["own", "junk"], 1),
            (&["disown", "junk"], 1),
            (&["token", "junk"], 1),
            (&["check", "junk"], 1),
            (&["own", "--all"], 1),
        ];
        for (command, exit) in commands {
            let (code, out, err) = scene.home.told(command);
            assert_eq!(code, exit, "{command:?}: {out}{err}");
            assert_eq!(err.matches(why).count(), 1, "{command:?}: {err}");
            assert!(err.contains("junk") && err.contains("left alone"), "{command:?}: {err}");
        }
        // A login replaces it.
        for login in [["login", "--all", "--dry-run"], ["login", "junk", "--dry-run"]] {
            let replaced = (0, "claude mcp login junk\n".to_owned(), String::new());
            assert_eq!(scene.home.told(&login), replaced, "{login:?}");
        }
        // The others are moved all the same.
        assert_eq!(scene.places(), (false, true));
        assert_eq!(scene.home.told(&["disown", "--all"]).0, 0);
        drop(daemon);
    }
}

#[test]
fn the_history_names_a_move_as_one() {
    let scene = Scene::new(HOUR);
    let daemon = scene.home.daemon();
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    assert_eq!(scene.home.told(&["disown", "lab"]).0, 0);
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    let told = || scene.home.told(&["history", "lab", "-n", "all"]).1;
    assert!(until(PATIENCE, || told().matches("moved").count() >= 6), "{}", told());
    let text = told();
    assert!(!text.contains("logged in"), "{text}");
    for how in
        ["into the vault", "from Claude Code's store", "back to Claude Code's store", "back from the vault"]
    {
        assert!(text.lines().any(|line| line.contains("moved ") && line.ends_with(how)), "{how}: {text}");
    }
    let (_, summary, _) = scene.home.told(&["history"]);
    assert!(summary.contains("  0 logins") && !summary.contains("  1 login  "), "{summary}");
    // Two stores have it: each line says which.
    assert!(
        text.lines().all(|line| line.contains("  lab (.claude)  ") || line.contains("  lab (vault)    ")),
        "{text}"
    );
    drop(daemon);
}
