//! What is said of starting and stopping the agent where it is no service, and where it cannot be one.

use crate::support::findings::{good, home_with};
use crate::support::{Home, PATIENCE};
use rustix::process::Signal;
use std::process::{Command, Output};

const BY_HAND: &str = "mcp-refreshd run --log-file ~/mcp-refreshd.log";

fn both(Output { status, stdout, stderr }: Output) -> (Option<i32>, String) {
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[test]
fn without_a_service_manager_every_command_names_the_same_way_to_start_it() {
    let home = home_with(&good());
    let told = |arguments: &[&str]| {
        both(home.command(arguments).env("MCP_REFRESHD_TEST_SERVICES", "none").output().unwrap()).1
    };
    for arguments in [&["doctor", "--offline"][..], &["status"], &["logs"]] {
        let told = told(arguments).replace("\n          ", " ");
        assert!(told.contains(BY_HAND), "{told}");
        assert!(!told.contains("mcp-refreshd install") && !told.contains("mcp-refreshd start"), "{told}");
    }
    let restart = told(&["restart"]);
    assert!(
        restart.contains("not installed as a service; to start it, type: ") && restart.contains(BY_HAND),
        "{restart}"
    );
    let daemon = home.daemon();
    assert!(!told(&["doctor", "--offline"]).contains(BY_HAND));
    for arguments in [&["stop"][..], &["restart"], &["restart", "--dry-run"]] {
        let told = told(arguments);
        let stop = format!("is not a service; to stop it, type: kill {pid}; ", pid = daemon.pid());
        assert!(told.contains(&stop) && !told.contains("mcp-refreshd install"), "{told}");
    }
    // Nothing is left to do, whatever there is no service manager for.
    assert_eq!(told(&["start"]), "the agent is already running, started by hand\n");
    // One is running: a second one would only say so.
    let told = told(&["logs"]);
    let restart = format!("To keep a log, type: kill {}, then: ", daemon.pid());
    assert!(told.contains(&restart) && told.contains(BY_HAND), "{told}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "namespaces are Linux's")]
fn the_command_that_is_named_starts_an_agent_with_a_log() {
    let home = home_with(&good());
    let path = format!("{}:/usr/bin:/bin", home.program().parent().unwrap().display());
    let in_shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut command = home.in_here(command);
        both(command.env("MCP_REFRESHD_TEST_SERVICES", "none").env("PATH", &path).output().unwrap())
    };
    let (_, told) = in_shell("mcp-refreshd status >/dev/null");
    let (_, command) = told.trim().split_once("to start it, type: ").unwrap();
    let (code, told) = in_shell(&format!("{{ {command}\n}} >/dev/null 2>&1"));
    assert_eq!(code, Some(0), "{told}");
    assert!(harness::until(PATIENCE, || in_shell("mcp-refreshd status").0 == Some(0)), "{command}");
    let pid = home.status()["agent"]["pid"].to_string();
    assert_eq!(in_shell(&format!("kill {pid}")).0, Some(0));
    assert!(harness::until(PATIENCE, || in_shell("mcp-refreshd status").0 == Some(3)));
    let (code, log) = in_shell("mcp-refreshd logs");
    assert!(code == Some(0) && log.contains("started (process"), "{log}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "namespaces are Linux's")]
fn what_nothing_cures_is_said_before_what_an_option_cures() {
    let home = Home::new();
    // Its user is root, and no systemd runs.
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs none /run || exit 99; for option in --allow-root --dry-run --add-store; do \"$0\" install $option; done; exec \"$0\" install";
    command.args(["-Urm", "sh", "-c", script, env!("CARGO_BIN_EXE_mcp-refreshd")]);
    let (code, told) =
        both(home.in_here(command).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap());
    if code == Some(99) || told.starts_with("unshare: ") {
        return eprintln!("SKIPPED: no namespace can be made here: {told}");
    }
    assert_eq!((code, told.lines().count()), (Some(1), 4), "{told}");
    for line in told.lines() {
        let (why, command) = line.split_once("; to start it by hand, type: ").unwrap();
        assert!(
            why.ends_with(": systemd does not run on this machine, so the agent cannot be a service here"),
            "{line}"
        );
        assert!(command.ends_with(BY_HAND) || command.ends_with(&format!("{BY_HAND} &")), "{line}");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "who is stopped by a signal is known on Linux alone")]
fn an_agent_by_hand_that_was_stopped_has_to_go_on_before_it_can_end() {
    let home = Home::new();
    let agent = home.daemon();
    agent.signal(Signal::STOP);
    let pid = agent.pid();
    let told = |arguments: &[&str]| {
        both(home.command(arguments).env("MCP_REFRESHD_TEST_SERVICES", "none").output().unwrap())
    };
    for command in ["stop", "restart"] {
        let (code, told) = told(&[command]);
        let end = format!(
            "the agent (process {pid}, stopped by a signal) is not a service; to stop it, type: kill -CONT {pid} && kill {pid}; "
        );
        assert!(code == Some(1) && told.contains(&end), "{told}");
    }
    let (_, logs) = told(&["logs"]);
    assert!(logs.contains(&format!("type: kill -CONT {pid} && kill {pid}, then: ")), "{logs}");
    let (code, told) = told(&["reload"]);
    let wake = format!(
        "the agent (process {pid}, stopped by a signal) does not answer; to resume it, type: kill -CONT {pid}\n"
    );
    assert!(code == Some(1) && told.contains(&wake), "{told}");
    assert!(told.ends_with("not reloaded: the agent keeps its old configuration\n"), "{told}");
    for command in [&["install", "--allow-root"][..], &["install", "--allow-root", "--dry-run"], &["start"]] {
        let (code, told) =
            self::both(home.command(command).env("MCP_REFRESHD_TEST_SERVICES", "none").output().unwrap());
        assert!(code == Some(1) && told.contains(wake.trim_end()) && !told.contains(BY_HAND), "{told}");
    }
    // What is typed ends it.
    let typed = format!("kill -CONT {pid} && kill {pid}");
    assert!(Command::new("sh").args(["-c", &typed]).status().unwrap().success());
    assert!(agent.end().0.success());
}

#[test]
fn without_an_agent_there_is_nothing_to_stop_and_nothing_to_type() {
    let home = Home::new();
    let told = |command: &str| {
        both(home.command(&[command]).env("MCP_REFRESHD_TEST_SERVICES", "none").output().unwrap())
    };
    let (code, stop) = told("stop");
    let says = "the agent is not running, and not installed as a service";
    assert!(code == Some(1) && stop.trim_end().ends_with(says), "{stop}");
    let (code, restart) = told("restart");
    assert!(code == Some(1) && restart.contains(&format!("{says}; to start it, type: ")), "{restart}");
}

#[test]
fn install_beside_an_agent_by_hand_says_that_it_runs() {
    let home = Home::new();
    let mut agent = home.daemon();
    let output = home
        .command(&["install", "--allow-root", "--dry-run"])
        .env("MCP_REFRESHD_TEST_SERVICES", "none")
        .output()
        .unwrap();
    let (code, told) = both(output);
    let runs = format!(
        "it is already running, started by hand (process {pid}); to restart it, type: kill {pid}, then ",
        pid = agent.pid()
    );
    // Where a service manager runs, it would be a second agent.
    let other = format!("an agent that is not a service is already running (process {})", agent.pid());
    assert!(code == Some(1) && (told.contains(&runs) || told.contains(&other)), "{told}");
    agent.stop();
}
