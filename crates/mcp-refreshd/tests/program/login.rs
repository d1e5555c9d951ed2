//! `login`: the logins that are needed, one after the other, by Claude Code's own command. A script stands in for it.

use crate::support::{Daemon, Home, PATIENCE};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

/// Writes down how it is called. A login to `lab` or `other` succeeds, one to `bad` fails, and one to `slow` does not end.
const CLAUDE: &str = r#"#!/bin/sh
echo "$CLAUDE_CONFIG_DIR|$*" >>"$HOME/calls"
for name; do :; done
case "$2 $name" in
"login lab") cp "$HOME/after-lab" "$HOME/.claude/.credentials.json" ;;
"login other") cp "$HOME/after-other" "$HOME/.claude/.credentials.json" ;;
"login bad") exit 3 ;;
"login slow") exec sleep 600 ;;
esac
"#;

fn stub(name: &str) -> String {
    format!(
        r#""{name}|00":{{"serverName":"{name}","serverUrl":"https://{name}.example/mcp","accessToken":"","expiresAt":0}}"#
    )
}

fn good(name: &str) -> String {
    format!(
        r#""{name}|00":{{"serverName":"{name}","serverUrl":"https://{name}.example/mcp","accessToken":"made-up","refreshToken":"made-up-{name}","expiresAt":4102444800000}}"#
    )
}

fn store(entries: &[String]) -> String {
    format!(r#"{{"mcpOAuth":{{{}}}}}"#, entries.join(","))
}

fn home(entries: &[String]) -> Home {
    let home = Home::new();
    home.store(&store(entries));
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("claude"), CLAUDE).unwrap();
    fs::set_permissions(bin.join("claude"), fs::Permissions::from_mode(0o755)).unwrap();
    home
}

fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.command(&["login"]);
    command.args(arguments).env("PATH", format!("{}:/usr/bin:/bin", home.path().join("bin").display()));
    command
}

fn run(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(home, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn without_arguments_it_names_both_ways_to_call_it() {
    let (code, _, told) = run(&home(&[]), &[]);
    assert!(code == 2 && told.contains("mcp-refreshd login <NAME|URL|--all>"), "{told}");
    let (code, _, told) = run(&home(&[]), &["lab", "--all"]);
    assert!(code == 2 && told.contains("cannot be used with"), "{told}");
}

fn calls(home: &Home) -> String {
    fs::read_to_string(home.path().join("calls")).unwrap_or_default()
}

#[test]
fn every_login_that_is_needed_is_made_in_turn() {
    let home = home(&[stub("lab"), good("fine"), stub("other")]);
    fs::write(home.path().join("after-lab"), store(&[good("lab"), good("fine"), stub("other")])).unwrap();
    fs::write(home.path().join("after-other"), store(&[good("lab"), good("fine"), good("other")])).unwrap();
    let (code, out, told) = run(&home, &["--all", "--no-browser"]);
    assert_eq!((code, told.as_str()), (0, ""), "{out}");
    for line in
        ["[1/2] lab: not logged in\n$ claude mcp login --no-browser lab\n", "[2/2] other: logged in\n"]
    {
        assert!(out.contains(line), "{out}");
    }
    assert_eq!(calls(&home), "|mcp login --no-browser lab\n|mcp login --no-browser other\n");
    assert_eq!(run(&home, &["--all"]), (0, "no server needs a login\n".to_owned(), String::new()));
}

#[test]
fn an_entry_that_is_not_understood_is_replaced_by_a_login_as_status_says() {
    let odd = |name: &str| format!(r#""{name}|00":{{"serverName":"{name}","accessToken":[1]}}"#);
    let home = home(&[odd("lab"), good("fine"), odd("other")]);
    let (_, told, _) = home.told(&["status"]);
    assert!(told.contains("type: claude mcp login lab"), "{told}");
    fs::write(home.path().join("after-lab"), store(&[good("lab"), good("fine"), odd("other")])).unwrap();
    let (code, out, told) = run(&home, &["lab"]);
    assert_eq!((code, told.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("[1/1] lab: not understood: ") && out.ends_with("lab: logged in\n"), "{out}");
    fs::write(home.path().join("after-other"), store(&[good("lab"), good("fine"), good("other")])).unwrap();
    let (code, out, told) = run(&home, &["--all"]);
    assert_eq!((code, told.as_str()), (0, ""), "{out}");
    assert_eq!(calls(&home), "|mcp login lab\n|mcp login other\n");
    assert_eq!(run(&home, &["--all"]), (0, "no server needs a login\n".to_owned(), String::new()));
}

#[test]
fn what_was_repaired_meanwhile_is_skipped_and_what_fails_holds_up_no_other() {
    let home = home(&[stub("bad"), stub("lab"), stub("other")]);
    fs::write(home.path().join("after-lab"), store(&[stub("bad"), good("lab"), good("other")])).unwrap();
    let (code, out, told) = run(&home, &["--all"]);
    assert_eq!(code, 1, "{out}{told}");
    assert!(out.contains("[2/3] lab: logged in\n[3/3] other: no longer needed\n"), "{out}");
    assert!(told.contains("[1/3] bad: claude failed (exit status: 3)"), "{told}");
    assert!(
        told.contains("1 of 3 servers not logged in; to try again, type: mcp-refreshd login --all"),
        "{told}"
    );
}

#[test]
fn a_login_that_leaves_the_store_as_it_was_is_not_called_one() {
    let home = home(&[stub("lab")]);
    fs::write(home.path().join("after-lab"), store(&[stub("lab")])).unwrap();
    let (code, out, told) = run(&home, &["lab"]);
    assert_eq!(code, 1, "{out}");
    assert!(told.contains("[1/1] lab: it still needs a login"), "{told}");
    assert!(told.contains("type: mcp-refreshd login -- lab"), "{told}");
}

#[test]
fn a_dry_run_prints_the_command_for_each_store_and_runs_none() {
    let home = home(&[stub("lab"), stub("--odd name")]);
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join(".credentials.json"), store(&[stub("lab"), good("fine")])).unwrap();
    fs::write(work.join(".claude.json"), "{}").unwrap();
    home.configure("stores = [\"default\", \"~/work\"]\n");
    let (code, out, told) = run(&home, &["--all", "--dry-run"]);
    let expected = format!(
        "claude mcp login lab\nclaude mcp login -- '--odd name'\nCLAUDE_CONFIG_DIR={} claude mcp login lab\n",
        work.display()
    );
    assert_eq!((code, out.as_str(), told.as_str()), (0, expected.as_str(), ""));
    let (_, out, _) = run(&home, &["fine", "--dry-run"]);
    assert_eq!(out, "fine: does not need a login\n");
    let (code, _, told) = run(&home, &["lob", "--dry-run"]);
    assert!(code == 2 && told.contains("did you mean lab?"), "{told}");
    assert_eq!(calls(&home), "");
}

#[test]
fn ctrl_c_ends_it_and_says_how_to_go_on() {
    let home = home(&[stub("slow"), stub("lab")]);
    // As at a terminal, both processes hear the signal.
    let mut command = command(&home, &["--all"]);
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(harness::until(PATIENCE, || calls(&home).contains("login slow")));
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("interrupted; 2 logins left; to continue, type: mcp-refreshd login --all"),
        "{told}"
    );
    assert!(!calls(&home).contains("lab"), "{}", calls(&home));
}

#[test]
fn without_claude_code_it_says_how_to_name_it() {
    let home = home(&[stub("lab")]);
    fs::remove_file(home.path().join("bin/claude")).unwrap();
    let (code, _, told) = run(&home, &["lab"]);
    assert!(code == 1 && told.contains("claude is not on the PATH; name it with --claude PROGRAM"), "{told}");
    let (code, _, told) = run(&home, &["lab", "--claude", "/nowhere/claude"]);
    assert!(code == 1 && told.contains("there is no program /nowhere/claude"), "{told}");
    let (code, _, _) = run(&home, &[]);
    assert_eq!(code, 2);
}

#[test]
fn a_command_for_the_default_store_unsets_the_variable_that_this_shell_sets_whoever_answers() {
    let home = home(&[stub("lab")]);
    home.configure("stores = [\"~/.claude\"]\n");
    let work = home.path().join("work");
    let shown = |folder: Option<&std::path::Path>| {
        let mut command = home.command(&["status", "--json"]);
        command.envs(folder.map(|folder| ("CLAUDE_CONFIG_DIR", folder)));
        let status: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let servers = status["servers"].as_array().unwrap();
        servers.iter().find(|server| server["name"] == "lab").unwrap()["action"].as_str().unwrap().to_owned()
    };
    let unset = "env -u CLAUDE_CONFIG_DIR claude mcp login lab";
    assert_eq!((shown(None), shown(Some(&work))), ("claude mcp login lab".to_owned(), unset.to_owned()));
    // The agent may have the variable itself.
    for of_agent in [None, Some(&work)] {
        let mut command = home.command(&["run"]);
        command.envs(of_agent.map(|folder| ("CLAUDE_CONFIG_DIR", folder)));
        let mut daemon = Daemon::start(command);
        daemon.wait_for("started (process");
        assert_eq!((shown(None), shown(Some(&work))), ("claude mcp login lab".to_owned(), unset.to_owned()));
        assert!(daemon.terminate().0.success());
    }
}

#[test]
fn a_dry_run_needs_no_claude_code() {
    let home = home(&[stub("lab")]);
    fs::remove_file(home.path().join("bin/claude")).unwrap();
    let (code, told, said) = run(&home, &["--all", "--dry-run"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(told.ends_with("claude mcp login lab\n"), "{told}");
}
