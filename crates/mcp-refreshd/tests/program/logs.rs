//! `logs`: the journal where the agent is a service, else where to look.

use crate::support::Home;
use std::os::unix::fs::PermissionsExt;

#[test]
fn without_a_service_it_says_where_the_log_goes() {
    let home = Home::new();
    let (code, told, said) = home.told(&["logs"]);
    assert_eq!((code, told.as_str()), (1, ""));
    assert!(said.contains("does not run") && said.contains("standard error"), "{said}");
    let daemon = home.daemon();
    let (_, _, said) = home.told(&["logs", "--follow"]);
    assert!(
        said.contains(&format!("(process {})", daemon.pid())) && said.contains("not started by a service"),
        "{said}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn with_a_service_the_journal_is_shown() {
    let home = Home::new();
    let units = home.path().join(".config/systemd/user");
    let programs = home.path().join("bin");
    std::fs::create_dir_all(&units).unwrap();
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::write(units.join("mcp-refreshd.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    let journal = programs.join("journalctl");
    std::fs::write(&journal, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o755)).unwrap();
    let asked = |arguments: &[&str]| {
        let output = home.command(arguments).env("PATH", &programs).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(asked(&["logs"]), (Some(7), "--user --unit mcp-refreshd.service\n".into()));
    assert_eq!(asked(&["logs", "-f"]), (Some(7), "--user --unit mcp-refreshd.service --follow\n".into()));
    std::fs::remove_file(&journal).unwrap();
    let output = home.command(&["logs"]).env("PATH", &programs).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("journalctl, which shows the log, cannot be started"), "{said}");
}
