//! Commands and what they print: the cases in `cmd` are read as a specification.

use crate::support::{Home, PATIENCE};
use scripted_server::{Script, Server};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn cases(pattern: &str, home: &Home) {
    let state = home.path().to_str().unwrap().to_owned();
    let cases = trycmd::TestCases::new();
    cases.env("HOME", &state).env("NO_COLOR", "1").env("MCP_REFRESHD_TEST_SERVICES", "systemd");
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        // An empty variable counts as none.
        cases.env(variable, "");
    }
    for variable in ["CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR"] {
        cases.env(variable, "");
    }
    cases.insert_var("[HOME]", state).unwrap();
    cases.case(pattern);
    cases.run();
}

#[test]
fn help_version_and_wrong_use() {
    cases("tests/cmd/help/*.trycmd", &Home::new());
}

#[test]
fn without_anything_set_up() {
    cases("tests/cmd/nothing/*.trycmd", &Home::new());
}

#[test]
fn with_a_configuration_that_is_wrong() {
    let home = Home::new();
    home.configure("keepalive = \"1d\"\n\n[margin]\nfloor = \"4m\"\npercent = \"a lot\"\n\n[servers.lab]\nignored = true\n");
    cases("tests/cmd/wrong/*.trycmd", &home);
}

#[test]
fn with_a_configuration_that_is_right() {
    let home = Home::new();
    home.configure("stores = [\"~/.claude\", \"/srv/claude\"]\n[servers.\"my lab\"]\nmargin = \"20m\"\n[log]\nlevel = \"warn\"\n");
    cases("tests/cmd/right/*.trycmd", &home);
}

#[test]
fn with_a_store_and_no_agent() {
    let home = Home::new();
    home.store(
        r#"{"mcpOAuth":{
            "notion|0001":{"serverName":"notion","serverUrl":"https://notion.example/mcp","accessToken":"","expiresAt":0},
            "lab|0002":{"serverName":"lab","serverUrl":"https://lab.example/mcp","accessToken":"at_made-up","refreshToken":"rt_made-up"},
            "odd|0003":{"serverName":"odd","accessToken":[1]}
        }}"#,
    );
    cases("tests/cmd/store/*.trycmd", &home);
}

#[test]
fn with_a_store_that_cannot_be_read() {
    let home = Home::new();
    home.store("{\"mcpOAuth\":{\"lab|00\":{\"serverName\":\"lab\",");
    cases("tests/cmd/broken/*.trycmd", &home);
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let home = Home::new();
    let mut command = home.command(&["config", "--defaults"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn without_an_agent_refresh_does_the_work_itself() {
    let server = Server::start(Script::default()).unwrap();
    let (lab, other) = (server.add("lab", Script::default()), server.add("other", Script::default()));
    let (due, fresh) = (lab.grant(Duration::ZERO), other.grant(HOUR));
    let home = Home::with([("lab", &due), ("other", &fresh)]);
    let (code, told, said) = home.told(&["refresh"]);
    assert_eq!((code, said.as_str()), (0, ""), "{told}");
    assert!(told.contains("lab: refreshed, valid for ") && told.contains("other: not due, "), "{told}");
    assert_eq!((lab.refreshes(), other.refreshes()), (1, 0));
    assert!(!home.stored().contains(&due.refresh_token));
    assert!(home.stored().contains(&fresh.refresh_token));
}

#[test]
fn a_dry_run_asks_nobody_and_changes_nothing() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(Duration::ZERO))]);
    let before = home.stored();
    let (code, told, _) = home.told(&["refresh", "--dry-run"]);
    assert_eq!((code, told.as_str()), (0, "lab: would be refreshed\n"));
    assert_eq!((home.stored(), server.log().len()), (before, 0));
    assert!(!home.state().exists());
}

#[test]
fn a_refresh_that_a_dead_login_prevents_says_what_to_type() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(Duration::ZERO);
    assert!(lab.kill(&grant.refresh_token));
    let home = Home::with([("lab", &grant)]);
    let (code, told, _) = home.told(&["refresh"]);
    assert_eq!(code, 1, "{told}");
    let (code, told, _) = home.told(&["status"]);
    assert_eq!(code, 1);
    assert!(
        told.starts_with("lab  needs you  ") && told.contains("  type: claude mcp login lab  # "),
        "{told}"
    );
    assert!(server.wait_for(PATIENCE, |log| !log.is_empty()));
}

#[test]
fn two_refreshes_at_once_make_one_request() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = Home::with([("lab", &lab.grant(Duration::ZERO))]);
    let both: Vec<_> = (0..2).map(|_| home.command(&["refresh"]).spawn().unwrap()).collect();
    let codes: Vec<_> =
        both.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    // The second either came too late, or was told that the first is running.
    assert!(codes.contains(&0), "{codes:?}");
    assert_eq!((lab.refreshes(), server.families_revoked()), (1, 0));
}
