//! `packaging/macos-check.sh`, which a person runs on a Mac, run here against the stand-in for the Mac's tool: that it finds what is
//! wrong, that it leaves nothing behind, and that it touches nothing that is not its own.

use scripted_security::{Call, Keychain};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A Mac of its own for each test: the home of a person, and a folder for temporary files.
struct Mac {
    folder: TempDir,
    security: PathBuf,
}

impl Mac {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "temporary"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, security: scripted_security::program().unwrap() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("temporary")
    }

    /// A tool that does something else before, or in place of, what it is for.
    fn tool(&mut self, script: &str) {
        let path = self.folder.path().join("security");
        let real = self.security.display().to_string();
        fs::write(&path, format!("#!/bin/bash\n{}\n", script.replace("REAL", &real))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.security = path;
    }

    fn command(&self, over_ssh: bool) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/macos-check.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg("--security").arg(&self.security);
        command.args(["--program", env!("CARGO_BIN_EXE_mcp-refreshd")]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.home()).env("TMPDIR", self.temporary()).env("USER", "me");
        command.env("MCP_REFRESHD_TEST_SECURITY", &self.security);
        if over_ssh {
            command.env("SSH_CONNECTION", "127.0.0.1 1 127.0.0.1 22");
        }
        command
    }

    fn run(&self, over_ssh: bool) -> Output {
        self.command(over_ssh).output().unwrap()
    }

    /// What the tool was called with in the person's own home.
    fn calls_at_home(&self) -> Vec<Call> {
        Keychain::at(&self.home()).unwrap().calls().unwrap()
    }

    fn is_tidy(&self) -> bool {
        fs::read_dir(self.temporary()).unwrap().next().is_none()
    }
}

fn only_looks(call: &Call) -> bool {
    call.arguments == ["list-keychains", "-d", "user"] || call.arguments == ["default-keychain", "-d", "user"]
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn on_a_mac_that_is_as_reported_all_is_as_expected_and_nothing_is_left() {
    let mac = Mac::new();
    let output = mac.run(true);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(!told.contains("FAIL") && !told.contains("left out"), "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), 23, "{told}");
    assert!(mac.is_tidy());
}

#[test]
fn in_the_persons_own_home_it_only_looks_at_the_lists_of_keychains() {
    let mac = Mac::new();
    mac.run(true);
    let calls = mac.calls_at_home();
    assert!(!calls.is_empty());
    for call in calls {
        assert!(only_looks(&call), "{:?}", call.arguments);
    }
}

#[test]
fn on_a_desktop_nobody_is_asked_for_a_locked_keychain() {
    let mac = Mac::new();
    let output = mac.run(false);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("ssh localhost"), "{told}");
}

#[test]
fn where_the_search_list_cannot_be_moved_nothing_is_done() {
    let mut mac = Mac::new();
    let home = mac.home();
    // A tool that asks the system for the home, and not its environment.
    mac.tool(&format!("export HOME={}\nexec REAL \"$@\"", home.display()));
    let output = mac.run(true);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("nothing was done"), "{told}");
    for call in mac.calls_at_home() {
        assert!(only_looks(&call), "{:?}", call.arguments);
    }
    assert!(mac.is_tidy());
}

#[test]
fn a_tool_that_writes_something_else_is_found_out() {
    let mut mac = Mac::new();
    // Every write by a line is lost.
    mac.tool("if [ \"$1\" = -i ]; then cat >/dev/null; exit 0; fi\nexec REAL \"$@\"");
    let output = mac.run(true);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("FAIL    security -i writes in place"), "{told}");
    assert!(mac.is_tidy());
}

#[test]
fn a_locked_keychain_that_answers_otherwise_is_found_out() {
    let mut mac = Mac::new();
    mac.tool("REAL \"$@\"; code=$?; [ $code = 36 ] && exit 44; exit $code");
    let output = mac.run(true);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("FAIL    reading ends with 36"), "{told}");
}

#[test]
fn a_run_that_is_stopped_takes_its_keychain_away() {
    let mut mac = Mac::new();
    // Stops whoever runs it, in the middle.
    mac.tool("if [ \"$1\" = set-keychain-settings ]; then kill -TERM $PPID; fi\nexec REAL \"$@\"");
    let output = mac.run(true);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("the scratch Keychain is gone"), "{}", told(&output));
    assert!(mac.is_tidy());
}

#[test]
fn a_wrong_option_is_told_how_it_is_used() {
    let mac = Mac::new();
    let output = mac.command(false).arg("--verbose").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("packaging/macos-check.sh [--program PATH]"), "{}", told(&output));
}
