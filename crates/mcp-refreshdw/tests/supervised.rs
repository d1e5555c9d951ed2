//! The program with a script in the agent's place.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A process that another test starts just then inherits the file that is being written for a moment, and "text file busy" is what follows.
static ALONE: Mutex<()> = Mutex::new(());

fn beside(folder: &Path, script: &str) -> Command {
    let agent = folder.join("mcp-refreshd");
    fs::write(&agent, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.join("mcp-refreshdw");
    fs::copy(env!("CARGO_BIN_EXE_mcp-refreshdw"), &program).unwrap();
    Command::new(program)
}

#[test]
fn the_agent_gets_the_arguments_and_learns_that_it_is_a_service() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = tempfile::tempdir().unwrap();
    let mut program =
        beside(place.path(), r#"printf '%s\n' "$MCP_REFRESHD_SERVICE" "$@" > told; echo noise; exit 2"#);
    let output = program.args(["run", "--log-file", "a b"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()));
    let told = fs::read_to_string(place.path().join("told")).unwrap();
    assert_eq!(told, "task-scheduler\nrun\n--log-file\na b\n");
}

#[test]
fn an_agent_that_fails_is_started_again_until_it_is_stopped() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = tempfile::tempdir().unwrap();
    let mut program = beside(place.path(), "echo x >> runs; [ $(wc -l < runs) = 2 ] && exit 3");
    assert_eq!(program.status().unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(place.path().join("runs")).unwrap(), "x\nx\n");
}
