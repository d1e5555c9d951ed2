//! A home folder of its own for each test, and the real program in it.

// Each test file is a program of its own and uses only some of this.
#![allow(dead_code, unreachable_pub)]

use rustix::process::{Pid, Signal, kill_process};
use scripted_server::{Grant, credentials_json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far longer than anything here takes: reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A home folder.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A home folder whose store holds these grants.
    pub fn with<'a>(grants: impl IntoIterator<Item = (&'a str, &'a Grant)>) -> Self {
        let home = Self::new();
        home.store(&credentials_json(grants));
        home
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn credentials(&self) -> PathBuf {
        self.path().join(".claude/.credentials.json")
    }

    pub fn state(&self) -> PathBuf {
        self.path().join(".local/state/mcp-refreshd")
    }

    /// Replaces the store as the client does.
    pub fn store(&self, text: &str) {
        let path = self.credentials();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = path.with_extension("json.tmp");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, &path).unwrap();
    }

    pub fn stored(&self) -> String {
        std::fs::read_to_string(self.credentials()).unwrap()
    }

    pub fn configure(&self, text: &str) {
        let path = self.path().join(".config/mcp-refreshd/config.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        // Another build of the program, where one is named: the footprint of a release build, say.
        let program = std::env::var_os("MCP_REFRESHD");
        let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_mcp-refreshd").into()));
        command.args(arguments).env_clear().env("HOME", self.path()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs to the end, and gives exit code, standard output, and standard error.
    pub fn told(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// `status --json`.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.run(&["status", "--json"]).stdout).unwrap()
    }

    /// Starts the daemon and waits until it is at work.
    pub fn daemon(&self) -> Daemon {
        let mut daemon = Daemon::start(self.command(&["run"]));
        daemon.wait_for("is at work");
        daemon
    }
}

/// A running daemon, killed at the test's end at the latest.
pub struct Daemon {
    process: Child,
    lines: Receiver<String>,
    log: Vec<String>,
}

impl Daemon {
    pub fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let log = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, lines, log: Vec::new() }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line of the log that has this text in it, and gives it.
    pub fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the log never said \"{text}\"; it said:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for its end; gives its exit status and its whole log.
    pub fn end(mut self) -> (ExitStatus, String) {
        let end = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.log.push(line);
        }
        assert!(Instant::now() < end, "it did not end; its log:\n{}", self.log.join("\n"));
        (self.process.wait().unwrap(), self.log.join("\n"))
    }

    pub fn terminate(self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
