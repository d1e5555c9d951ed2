//! The log in a file: `run --log-file`, `log.file`, and how `logs` shows it.

use crate::support::{Daemon, Home, PATIENCE};
use rustix::process::Signal;
use scripted_server::{Script, Server};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

fn wait_for(path: &Path, text: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let log = std::fs::read_to_string(path).unwrap_or_default();
        if log.contains(text) {
            return log;
        }
        assert!(Instant::now() < end, "{} never said \"{text}\"; it said:\n{log}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_log_file_on_the_command_line_gets_every_line_and_no_token() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let grant = lab.grant(Duration::ZERO);
    let home = Home::with([("lab", &grant)]);
    // A service gives no shell that would replace the tilde.
    let daemon = Daemon::start(home.command(&["run", "--log-file", "~/Library/Logs/mcp-refreshd/agent.log"]));
    let path = home.path().join("Library/Logs/mcp-refreshd/agent.log");
    wait_for(&path, "lab: refreshed");
    wait_for(&path, "started (process");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, told, said) = home.told(&["logs"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(told.contains("lab: refreshed") && told.contains("started (process"), "{told}");
    let (end, on_stderr) = daemon.terminate();
    assert!(end.success());
    assert_eq!(on_stderr, "");
    // It is found when the agent does not run any more, too.
    let (_, told, _) = home.told(&["logs"]);
    assert!(told.lines().last().unwrap().contains("SIGTERM: stopping"), "{told}");
    for token in [&grant.access_token, &grant.refresh_token] {
        assert!(!told.contains(token), "{told}");
    }
}

#[test]
fn the_configuration_can_name_the_log_file_and_the_command_line_takes_precedence() {
    let home = Home::new();
    home.configure("[log]\nfile = \"~/configured.log\"\nformat = \"json\"\n");
    let daemon = Daemon::start(home.command(&["run"]));
    let log = wait_for(&home.path().join("configured.log"), "started (process");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    assert!(daemon.terminate().0.success());
    let named = home.path().join("named.log");
    let daemon = Daemon::start(home.command(&["run", "--log-file", named.to_str().unwrap()]));
    wait_for(&named, "started (process");
    let configured = std::fs::read_to_string(home.path().join("configured.log")).unwrap();
    assert_eq!(configured.matches("started (process").count(), 1);
    assert!(home.told(&["logs"]).1.contains("started (process"));
    assert!(daemon.terminate().0.success());
    home.configure("[log]\nfile = \"agent.log\"\n");
    let (code, _, said) = home.told(&["run"]);
    assert!(code == 2 && said.contains("`log.file` must be an absolute path"), "{said}");
}

/// A running `logs -f`, killed at the test's end at the latest.
struct Following {
    process: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(home: &Home) -> Self {
        let mut process = home.command(&["logs", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        // Nobody reads any more as soon as nobody listens to this.
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, lines }
    }

    fn wait_for(&self, text: &str) {
        while !self.lines.recv_timeout(PATIENCE).unwrap().contains(text) {}
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn following_goes_on_over_a_removal_of_the_file() {
    let home = Home::new();
    let path = home.path().join("agent.log");
    let daemon = Daemon::start(home.command(&["run", "--log-file", path.to_str().unwrap()]));
    wait_for(&path, "started (process");
    std::fs::write(home.path().join("agent.1.log"), "from before\n").unwrap();
    let following = Following::start(&home);
    assert_eq!(following.lines.recv_timeout(PATIENCE).unwrap(), "from before");
    following.wait_for("started (process");
    daemon.signal(Signal::HUP);
    following.wait_for("configuration reloaded");
    std::fs::remove_file(&path).unwrap();
    daemon.signal(Signal::HUP);
    following.wait_for("configuration reloaded");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert!(daemon.terminate().0.success());
}

#[test]
fn following_ends_with_its_reader() {
    let home = Home::new();
    let path = home.path().join("agent.log");
    let daemon = Daemon::start(home.command(&["run", "--log-file", path.to_str().unwrap()]));
    wait_for(&path, "started (process");
    let mut process = home.command(&["logs", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    let end = Instant::now() + PATIENCE;
    let ended = loop {
        match process.try_wait().unwrap() {
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            status => break status,
        }
    };
    // It may have ended already.
    let _ = process.kill();
    let _ = process.wait();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_file_that_cannot_be_written_stops_nothing() {
    let home = Home::new();
    let path = home.path().join("agent.log");
    std::fs::create_dir(&path).unwrap();
    let mut daemon = Daemon::start(home.command(&["run", "--log-file", path.to_str().unwrap()]));
    let line = daemon.wait_for("cannot be written");
    assert!(line.contains("agent.log") && line.contains("standard error"), "{line}");
    daemon.wait_for("started (process");
    let (_, _, said) = home.told(&["logs"]);
    assert!(said.contains("cannot read the log file") && said.contains("it is not a regular file"), "{said}");
    std::fs::remove_dir(&path).unwrap();
    daemon.signal(Signal::HUP);
    wait_for(&path, "configuration reloaded");
    let (end, log) = daemon.terminate();
    assert!(end.success());
    assert_eq!(log.matches("cannot be written").count(), 1, "{log}");
}

#[test]
fn why_it_cannot_start_is_in_the_file_once_however_often_it_is_tried() {
    let home = Home::new();
    home.configure("[log]\nlevel = \"loud\"\n");
    let path = home.path().join("agent.log");
    for _ in 0..3 {
        let (code, _, said) = home.told(&["run", "--log-file", path.to_str().unwrap()]);
        assert!(code == 2 && said.contains("log.level"), "{said}");
    }
    let log = std::fs::read_to_string(&path).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains("config.toml:2: `log.level` must be"), "{log}");
}
