//! A home folder with a store, and the real daemon in it.

use crate::Fallible;
use crate::trace::{SHOWN, Trace};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TURN: Duration = Duration::from_millis(10);

pub(crate) struct Home<'a> {
    folder: TempDir,
    program: &'a Path,
}

impl<'a> Home<'a> {
    /// A home whose store holds this document.
    pub(crate) fn new(program: &'a Path, document: &str) -> Fallible<Self> {
        Self::new_in(&std::env::temp_dir(), program, document)
    }

    /// The same in a folder of this folder.
    pub(crate) fn new_in(parent: &Path, program: &'a Path, document: &str) -> Fallible<Self> {
        use std::os::unix::fs::PermissionsExt;
        let home = Self { folder: tempfile::tempdir_in(parent)?, program };
        fs::create_dir(home.claude())?;
        fs::write(home.credentials(), document)?;
        fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o600))?;
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn claude(&self) -> PathBuf {
        self.path().join(".claude")
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.claude().join(".credentials.json")
    }

    pub(crate) fn needs_auth(&self) -> PathBuf {
        self.claude().join("mcp-needs-auth-cache.json")
    }

    pub(crate) fn journal(&self) -> String {
        fs::read_to_string(self.path().join(".local/state/mcp-refreshd/journal")).unwrap_or_default()
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.path().join("trace")
    }

    /// What all daemons said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn stored(&self) -> Fallible<String> {
        Ok(fs::read_to_string(self.credentials())?)
    }

    /// Names in the storage folder.
    pub(crate) fn names(&self) -> Fallible<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.claude())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The program.
    pub(crate) fn program(&self) -> &'a Path {
        self.program
    }

    /// The command in this home, with nothing else in its environment.
    pub(crate) fn in_here(&self, mut command: Command) -> Command {
        command.env_clear().env("HOME", self.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments);
        self.in_here(command)
    }

    fn spawn(&self, mut command: Command) -> Fallible<Child> {
        let log = fs::OpenOptions::new().append(true).create(true).open(self.path().join("log"))?;
        Ok(command.stdout(Stdio::null()).stderr(log).spawn()?)
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self) -> Fallible<Daemon> {
        let process = self.spawn(self.command(&["run"]))?;
        Ok(Daemon { pid: process.id(), process, traced: false })
    }

    /// Starts a command that becomes the daemon.
    pub(crate) fn daemon_by(&self, command: Command) -> Fallible<Daemon> {
        let process = self.spawn(self.in_here(command))?;
        Ok(Daemon { pid: process.id(), process, traced: false })
    }

    /// Starts the daemon under strace.
    pub(crate) fn traced(&self, options: &[String]) -> Fallible<Daemon> {
        let mut command = Command::new("strace");
        command.args(["-f", "-ttt", "-y", "-q", "-s", "24", "-e", "signal=none", "-e"]);
        command.arg(format!("trace={SHOWN}")).arg("-o").arg(self.trace());
        command.args(options).arg(self.program).arg("run");
        let process = self.spawn(self.in_here(command))?;
        let mut daemon = Daemon { pid: process.id(), process, traced: true };
        let mut found = None;
        daemon.wait(Duration::from_secs(10), || {
            found = Trace::read(&self.trace()).main();
            found.is_some()
        });
        daemon.pid = found.ok_or("strace shows nothing; may it trace here?")?;
        Ok(daemon)
    }

    /// The one server's state and the outcome of its last refresh, as the daemon tells it.
    pub(crate) fn outcomes(&self) -> Vec<(String, String)> {
        let Ok(output) = self.command(&["status", "--json"]).output() else { return Vec::new() };
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("none").to_owned();
        let servers = status.get("servers").and_then(Value::as_array).into_iter().flatten();
        servers
            .map(|server| {
                let outcome = server.get("last_refresh").and_then(|last| last.get("outcome"));
                (text(server.get("state")), text(outcome))
            })
            .collect()
    }
}

/// A daemon, killed when it is dropped.
pub(crate) struct Daemon {
    process: Child,
    pid: u32,
    traced: bool,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // It may have ended already.
            let _ = kill_process(pid, signal);
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Looks again and again until the condition holds or the daemon is gone; says whether the condition held.
    pub(crate) fn wait(&mut self, patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + patience;
        loop {
            if condition() {
                return true;
            }
            if Instant::now() > end || self.has_ended() {
                return condition();
            }
            std::thread::sleep(TURN);
        }
    }

    /// SIGTERM, and whether it ended well in time.
    pub(crate) fn terminate(mut self, patience: Duration) -> bool {
        self.signal(Signal::TERM);
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.process.try_wait() {
                return status.success();
            }
            std::thread::sleep(TURN);
        }
        false
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        self.signal(Signal::KILL);
        if !self.traced {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
