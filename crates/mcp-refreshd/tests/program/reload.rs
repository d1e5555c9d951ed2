//! `reload`, `notice --test`, and what a valid configuration says that has no effect.

use crate::support::{Daemon, Home};
use std::fs;

#[test]
fn reload_says_what_changed_and_what_takes_a_restart() {
    let home = Home::new();
    let mut daemon = home.daemon();
    assert_eq!(home.told(&["reload"]), (0, "reloaded: no changes\n".to_owned(), String::new()));
    home.configure("stores = [\"default\", \"~/.claude-work\"]\n[margin]\nfloor = \"9m\"\n");
    let (code, out, told) = home.told(&["reload"]);
    assert_eq!(code, 0, "{told}");
    assert!(out.starts_with("reloaded\n  margin.floor: \"7m\" -> \"9m\"\n"), "{out}");
    // It is no service, so that `mcp-refreshd restart` would refuse.
    #[cfg(unix)]
    let end = format!("kill {}", daemon.pid());
    #[cfg(not(unix))]
    let end = "mcp-refreshd stop";
    let restart = format!("takes effect after a restart; type: {end}, then start it again as before: ");
    assert!(out.contains(&restart) && out.contains("\n  stores: not set -> "), "{out}");
    assert!(told.contains(".claude-work, which does not exist"), "{told}");
    let line = daemon.wait_for("configuration reloaded: margin.floor");
    assert!(line.contains("\"7m\" -> \"9m\""), "{line}");
    daemon.wait_for("takes effect after a restart: stores");
}

#[test]
fn an_invalid_configuration_is_refused_with_the_reason_and_changes_nothing() {
    let home = Home::new();
    let _daemon = home.daemon();
    for (text, why) in [
        ("keepalive = \"1d\"\n", ":1: unknown key `keepalive`; did you mean `keep_alive`?"),
        ("[network]\nextra_ca = [\"~/nowhere/ca.pem\"]\n", "`[network]` cannot be used: "),
    ] {
        home.configure(text);
        let (code, out, told) = home.told(&["reload"]);
        assert_eq!((code, out.as_str()), (2, ""), "{told}");
        assert!(told.contains(why), "{told}");
        assert!(told.ends_with("not reloaded: the agent keeps its old configuration\n"), "{told}");
    }
}

#[test]
fn without_an_agent_there_is_nothing_to_reload() {
    let (code, _, told) = Home::new().told(&["reload"]);
    assert!(code == 3 && told.contains("no agent is running; the configuration is valid"), "{told}");
}

#[test]
fn an_invalid_configuration_is_reported_without_an_agent_too() {
    let home = Home::new();
    for text in ["keepalive = \"1d\"\n", "[network]\nextra_ca = [\"/nowhere/ca.pem\"]\n"] {
        home.configure(text);
        let (code, out, told) = home.told(&["reload"]);
        assert_eq!((code, out.as_str()), (2, ""), "{told}");
        assert!(told.ends_with("\nno agent is running, and none can start before that is fixed\n"), "{told}");
    }
}

#[cfg(unix)] // Its hook is a line of a shell.
#[test]
fn a_test_notice_is_sent_by_the_agent_and_by_the_command_without_one() {
    let home = Home::new();
    let hook = "echo \"$MCP_REFRESHD_EVENT $MCP_REFRESHD_TITLE\" >> \"$HOME/heard\"";
    home.configure(&format!("[notices]\ndesktop = false\nhook = '{hook}'\n"));
    let (code, out, told) = home.told(&["notice", "--test"]);
    assert_eq!((code, told.as_str()), (0, ""));
    assert_eq!(out, "sent by this command, since no agent is running:\n  hook: ok\n");
    let _daemon = home.daemon();
    let (code, out, _) = home.told(&["notice", "--test"]);
    assert_eq!((code, out.as_str()), (0, "sent by the agent:\n  hook: ok\n"));
    let heard = fs::read_to_string(home.path().join("heard")).unwrap();
    assert_eq!(heard, "test mcp-refreshd: test notice\n".repeat(2));
}

#[cfg(unix)] // Its hook is a line of a shell.
#[test]
fn a_notice_that_cannot_be_sent_says_why() {
    let home = Home::new();
    let (code, out, told) = home.told(&["notice", "--test"]);
    // Nothing is on the PATH that could show one.
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("  desktop: failed: ") && told.contains("no notice reaches you"), "{out}{told}");
    home.configure("[notices]\ndesktop = false\n");
    let (code, _, told) = home.told(&["notice", "--test"]);
    assert!(code == 1 && told.contains("notices are off; set `notices.desktop`"), "{told}");
    home.configure("[notices]\ndesktop = false\nhook = 'exit 7'\n");
    let (code, out, _) = home.told(&["notice", "--test"]);
    assert!(code == 1 && out.contains("hook: failed: failed: exit status: 7"), "{out}");
}

#[test]
fn a_name_that_nobody_knows_is_told_at_the_start_and_by_config() {
    let home = Home::new();
    home.store(r#"{"mcpOAuth":{"slack|00":{"serverName":"slack","accessToken":""}}}"#);
    fs::write(home.path().join(".claude.json"), r#"{"mcpServers":{"lab":{"url":"https://lab.example"}}}"#)
        .unwrap();
    home.configure("[servers.lab]\nignore = true\n[servers.slak]\nignore = true\n");
    let said =
        "the configuration names the server slak, which Claude Code does not have; did you mean slack?";
    let (code, _, told) = home.told(&["config"]);
    assert_eq!((code, told), (0, format!("mcp-refreshd: {said}\n")));
    Daemon::start(home.command(&["run"])).wait_for(said);
}

#[test]
fn a_store_that_is_a_file_is_told_at_the_start_and_by_config() {
    let home = Home::new();
    home.store("{}");
    home.configure("stores = [\"~/.claude/.credentials.json\"]\n");
    let said = format!("a file; list its folder instead: {}", home.claude().display());
    let (code, _, told) = home.told(&["config"]);
    assert!(code == 0 && told.contains(&said), "{told}");
    Daemon::start(home.command(&["run"])).wait_for(&said);
}
