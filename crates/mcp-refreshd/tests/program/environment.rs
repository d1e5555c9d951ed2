//! The configuration's `[environment]`: for every process of ours, where its own environment lacks a variable.

use crate::support::Home;
use scripted_server::{Script, Server};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What `status` says with this environment, standard error included.
fn status(home: &Home, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-refreshd"));
    command.arg("status").env_clear().env("HOME", home.path()).envs(variables.iter().copied());
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn with_login(folder: &Path, name: &str) {
    fs::create_dir_all(folder).unwrap();
    let entry = format!(
        "{{\"mcpOAuth\":{{\"{name}|00\":{{\"serverName\":\"{name}\",\"accessToken\":\"at_made_up\"}}}}}}"
    );
    fs::write(folder.join(".credentials.json"), entry).unwrap();
}

#[test]
fn a_variable_of_the_configuration_holds_where_the_environment_lacks_it() {
    let home = Home::new();
    let (configured, own) = (home.path().join("configured"), home.path().join("own"));
    with_login(&configured, "of-configuration");
    with_login(&own, "of-shell");
    home.configure(&format!("[environment]\nCLAUDE_CONFIG_DIR = \"{}\"\n", configured.display()));
    let shown = status(&home, &[]);
    assert!(shown.contains("of-configuration"), "{shown}");
    let shown = status(&home, &[("CLAUDE_CONFIG_DIR", own.to_str().unwrap())]);
    assert!(shown.contains("of-shell"), "{shown}");
}

#[test]
fn only_the_variables_that_are_meant_may_be_set() {
    let home = Home::new();
    home.configure(
        "[environment]\nLD_PRELOAD = \"/tmp/evil.so\"\nCLAUDE_CONFIG_DIR = \"work\"\nHTTP_PROXY = 3\n",
    );
    let shown = status(&home, &[]);
    for part in [
        ":2: unknown key `environment.LD_PRELOAD`",
        ":3: `environment.CLAUDE_CONFIG_DIR` must be an absolute path",
        ":4: ",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_proxys_password_that_others_may_read_is_refused_and_never_shown() {
    let home = Home::new();
    home.configure("[environment]\nHTTPS_PROXY = \"http://me:secret-word@127.0.0.1:9\"\n");
    let config = home.path().join(".config/mcp-refreshd/config.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let shown = status(&home, &[]);
    assert!(shown.contains("chmod 600") && !shown.contains("secret-word"), "{shown}");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = status(&home, &[]);
    assert!(!shown.contains("chmod") && !shown.contains("secret-word"), "{shown}");
}

#[test]
fn an_authority_that_claude_code_trusts_is_trusted_and_a_file_without_one_is_passed_over() {
    let server = Server::start_tls(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(Duration::ZERO);
    let home = Home::with([("lab", &grant)]);
    let file = home.path().join("authorities.pem");
    home.configure(&format!("[environment]\nNODE_EXTRA_CA_CERTS = \"{}\"\n", file.display()));
    // Also without the configuration's own files the agent starts, and says what it passes over.
    for (content, why) in [(None, "No such file"), (Some("no certificate"), "it has no certificate")] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let (code, _, told) = home.told(&["refresh", "lab"]);
        assert_eq!(code, 1, "{told}");
        let stored = home.stored();
        assert!(stored.contains(&grant.refresh_token), "{stored}");
        let (status, said) = home.daemon().terminate();
        assert!(status.success(), "{said}");
        assert!(said.contains("$NODE_EXTRA_CA_CERTS is ignored") && said.contains(why), "{said}");
    }
    fs::write(&file, server.ca_pem().unwrap()).unwrap();
    let (code, out, told) = home.told(&["refresh", "lab", "--force"]);
    assert_eq!(code, 0, "{out}{told}");
    assert!(!home.stored().contains(&grant.refresh_token));
}

fn settings(home: &Home, env: &str) {
    let folder = home.path().join(".claude");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("settings.json"), format!("{{\"env\":{{{env}}}}}")).unwrap();
}

#[test]
fn what_claude_codes_settings_say_holds_for_the_agent_also_when_they_change_while_it_runs() {
    let server = Server::start_tls(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(Duration::from_secs(3600));
    let home = Home::with([("lab", &grant)]);
    let file = home.path().join("authorities.pem");
    fs::write(&file, server.ca_pem().unwrap()).unwrap();
    let daemon = home.daemon();
    let (code, out, told) = home.told(&["refresh", "lab", "--force"]);
    assert!(code == 1 && home.stored().contains(&grant.refresh_token), "{code} {out}{told}");
    settings(&home, &format!("\"NODE_EXTRA_CA_CERTS\":\"{}\"", file.display()));
    let (code, out, told) = home.told(&["refresh", "lab", "--force"]);
    assert_eq!(code, 0, "{out}{told}");
    assert!(!home.stored().contains(&grant.refresh_token));
    let (status, said) = daemon.terminate();
    assert!(status.success() && said.contains("settings have changed"), "{said}");
}

#[test]
fn settings_that_are_no_json_are_named_by_doctor() {
    let server = Server::start_tls(Script::default()).unwrap();
    let grant = server.add("lab", Script::default()).grant(Duration::ZERO);
    let home = Home::with([("lab", &grant)]);
    let file = home.path().join("authorities.pem");
    let damaged = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    fs::write(&file, format!("{damaged}{}", server.ca_pem().unwrap())).unwrap();
    fs::write(home.path().join(".claude/settings.json"), "{\"env\":{},}").unwrap();
    home.configure(&format!("[network]\nextra_ca = [\"{}\"]\n", file.display()));
    let (_, out, told) = home.told(&["doctor"]);
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("settings.json are ignored"), "{out}{told}");
    assert!(out.contains("certificate 1 (line 1) is invalid"), "{out}{told}");
}

#[test]
fn a_home_that_does_not_exist_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("nobody");
    for arguments in [&["run"][..], &["refresh"], &["install"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-refreshd"));
        // As root, install would stop for another reason.
        command.args(arguments).args((arguments == ["install"]).then_some("--allow-root"));
        let output = command.env_clear().env("HOME", &home).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {told}");
        assert!(told.contains("nobody does not exist") && told.contains("set HOME to yours"), "{told}");
        assert!(!home.exists());
    }
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_mcp-refreshd"));
    let output = doctor.args(["doctor", "--offline"]).env_clear().env("HOME", &home).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("the home folder does not exist") && told.contains("set HOME to your"), "{told}");
    assert!(!home.exists());
}
