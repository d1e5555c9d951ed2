//! `logs`: the journal where the agent is a service, else where to look.

use crate::support::Home;
use std::os::unix::fs::PermissionsExt;

#[test]
fn without_a_service_it_says_where_it_looked() {
    let home = Home::new();
    let (code, told, said) = home.told(&["logs"]);
    assert_eq!((code, told.as_str()), (1, ""));
    assert!(said.contains("the agent is not running; no log file is configured"), "{said}");
    // Nobody is helped by the folders in which no unit is.
    assert!(!said.contains("systemd/user"), "{said}");
    let daemon = home.daemon();
    let pid = format!("(process {})", daemon.pid());
    let (_, _, said) = home.told(&["logs", "--follow"]);
    assert!(said.contains(&pid) && said.contains("standard error of `mcp-refreshd run`"), "{said}");
    // Killed, it leaves its process id behind.
    daemon.signal(rustix::process::Signal::KILL);
    daemon.end();
    let (_, _, said) = home.told(&["logs"]);
    assert!(said.contains("the agent is not running") && !said.contains("process"), "{said}");
    home.configure("[log]\nfile = \"~/a/log\"\n");
    let (_, _, said) = home.told(&["logs"]);
    assert!(said.contains(&format!("the log file {}/a/log does not exist", home.path().display())), "{said}");
}

#[test]
fn the_last_lines_come_out_of_the_file_and_its_predecessor() {
    let home = Home::new();
    home.configure("[log]\nfile = \"~/log\"\n");
    std::fs::write(home.path().join("log.1"), "1\n2\n3\n").unwrap();
    std::fs::write(home.path().join("log"), "4\n5").unwrap();
    for (lines, expected) in [
        ("0", ""),
        ("1", "5\n"),
        ("2", "4\n5\n"),
        ("3", "3\n4\n5\n"),
        ("99", "1\n2\n3\n4\n5\n"),
        ("all", "1\n2\n3\n4\n5\n"),
    ] {
        assert_eq!(home.told(&["logs", "-n", lines]), (0, expected.into(), String::new()), "{lines}");
    }
    assert_eq!(home.told(&["logs", "-n", "many"]).0, 2);
}

#[test]
fn the_log_is_in_the_users_time_and_the_file_in_utc() {
    let home = Home::new();
    home.configure("[log]\nfile = \"~/log\"\n");
    let line = "2026-11-28T23:30:05.120Z INFO  lab: refreshed\n";
    std::fs::write(home.path().join("log"), line).unwrap();
    let output = home.command(&["logs"]).env("TZ", "IST-5:30").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "2026-11-29T05:00:05.120+05:30 INFO  lab: refreshed\n");
    assert_eq!(std::fs::read_to_string(home.path().join("log")).unwrap(), line);
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
    assert_eq!(asked(&["logs", "-n", "20"]).1, "--user --unit mcp-refreshd.service --lines 20\n");
    assert_eq!(asked(&["logs", "-n", "all"]).1, "--user --unit mcp-refreshd.service --lines all\n");
    std::fs::remove_file(&journal).unwrap();
    let output = home.command(&["logs"]).env("PATH", &programs).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("cannot start journalctl, which shows the log"), "{said}");
}
