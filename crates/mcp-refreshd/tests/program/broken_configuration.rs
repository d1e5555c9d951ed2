//! A configuration that broke beside a running agent: every command goes on with what still works, and says what is wrong with the file.

use crate::support::Home;
use scripted_server::{Script, Server, credentials_json};
use serde_json::Value;
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const EXPIRED: Duration = Duration::ZERO;
const BROKEN: &str = "nonsense = 1\n";

/// A store that only the configuration names: `lab` is good, `wiki` is not logged in, and `old`, which has expired, is ignored.
fn home(server: &Server) -> Home {
    let grant = |name: &str, left| server.add(name, Script::default()).grant(left);
    let grants = [("lab", grant("lab", HOUR)), ("old", grant("old", EXPIRED)), ("wiki", grant("wiki", HOUR))];
    let text = credentials_json(grants.iter().map(|(name, grant)| (*name, grant)));
    let mut document: Value = serde_json::from_str(&text).unwrap();
    for (key, entry) in document["mcpOAuth"].as_object_mut().unwrap() {
        if key.starts_with("wiki|") {
            entry["accessToken"] = "".into();
            entry.as_object_mut().unwrap().remove("refreshToken");
        }
    }
    let home = Home::new();
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join(".credentials.json"), document.to_string()).unwrap();
    home.configure("stores = [\"~/work\"]\n\n[servers.old]\nignore = true\n");
    home
}

#[test]
fn beside_a_running_agent_every_command_goes_on_and_names_the_mistake() {
    let server = Server::start(Script::default()).unwrap();
    let home = home(&server);
    let mut agent = home.daemon();
    let commands: [&[&str]; 5] = [
        &["status"],
        &["check"],
        &["refresh", "lab"],
        &["refresh", "--dry-run"],
        &["login", "--all", "--dry-run"],
    ];
    let before = commands.map(|command| home.told(command));
    home.configure(BROKEN);
    for (command, (code, told, said)) in commands.iter().zip(before) {
        let (now_code, now_told, now_said) = home.told(command);
        assert_eq!((now_code, now_told), (code, told), "{command:?}: {said}{now_said}");
        for word in [
            "config.toml:1: unknown key `nonsense`",
            "the agent keeps the configuration that it started with",
        ] {
            assert!(now_said.contains(word) && !said.contains(word), "{command:?}: {now_said}");
        }
    }
    let (_, told, _) = home.told(&["login", "--all", "--dry-run"]);
    let work = format!("{} claude mcp login wiki\n", home.path().join("work").display());
    assert!(told.ends_with(&work), "the store of the agent's configuration: {told}");
    let (_, told, _) = home.told(&["check", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["servers"].as_array().unwrap().len(), 2, "what is ignored is not checked");
    assert!(told["problems"][0].as_str().unwrap().contains("nonsense"), "{told}");
    let (code, told, said) = home.told(&["refresh", "lab", "--force"]);
    assert!(code == 0 && told.starts_with("lab: refreshed"), "{told}{said}");
    agent.wait_for("lab: refreshed");
    agent.stop();
    // Without an agent there is no other configuration.
    for command in [&["check"][..], &["refresh"], &["login", "--all"]] {
        let (code, told, said) = home.told(command);
        assert!(code == 2 && told.is_empty() && said.contains("nonsense"), "{command:?}: {told}{said}");
    }
}

#[test]
fn what_would_end_an_agent_that_cannot_start_again_says_so_and_so_does_what_only_shows() {
    let home = Home::new();
    let mut agent = home.daemon();
    home.configure(BROKEN);
    for command in [
        &["restart"][..],
        &["stop"],
        &["install", "--dry-run"],
        &["install", "--dry-run", "--allow-root"],
        &["logs"],
    ] {
        let mut run = home.command(command);
        let output = run.env("MCP_REFRESHD_TEST_SERVICES", "none").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("config.toml:1: unknown key `nonsense`"), "{command:?}: {said}");
        let follows = said.contains("no agent can start before that is fixed")
            || said.contains("the agent keeps the configuration that it started with");
        assert!(follows || command[0] == "install", "{command:?}: {said}");
        let invalid = command[0] == "restart";
        assert!(!invalid || output.status.code() == Some(2), "{command:?}: {:?}", output.status);
    }
    assert_eq!(home.told(&["status"]).0, 0, "nothing was stopped");
    agent.stop();
}

#[test]
fn without_an_agent_a_token_is_handed_out_as_the_store_has_it() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(HOUR);
    let home = Home::with([("lab", &grant)]);
    home.configure(BROKEN);
    let (code, told, said) = home.told(&["token", "lab"]);
    assert_eq!((code, told.trim()), (0, grant.access_token.as_str()), "{said}");
    assert!(said.contains("nonsense"), "{said}");
}
