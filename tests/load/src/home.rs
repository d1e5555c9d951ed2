//! A home folder with a store, and the real daemon in it.

use crate::{Fallible, process};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TURN: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Home {
    folder: TempDir,
    program: PathBuf,
}

impl Home {
    pub(crate) fn new(program: &Path) -> Fallible<Self> {
        let home = Self { folder: tempfile::tempdir()?, program: program.to_owned() };
        fs::create_dir(home.claude())?;
        fs::create_dir_all(home.state())?;
        fs::set_permissions(home.state(), Permissions::from_mode(0o700))?;
        Ok(home)
    }

    pub(crate) fn claude(&self) -> PathBuf {
        self.folder.path().join(".claude")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join(".local/state/mcp-refreshd")
    }

    pub(crate) fn document(&self) -> PathBuf {
        self.claude().join(".credentials.json")
    }

    /// What every daemon here said.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    /// Replaces the document as the client does.
    pub(crate) fn store(&self, text: &str) -> Fallible<()> {
        let beside = self.claude().join(".credentials.json.tmp.load");
        fs::write(&beside, text)?;
        fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
        Ok(fs::rename(beside, self.document())?)
    }

    /// Has the daemon trust these certificate authorities, too.
    pub(crate) fn trust(&self, authorities: &str) -> Fallible<()> {
        let configuration = self.folder.path().join(".config/mcp-refreshd");
        fs::create_dir_all(&configuration)?;
        fs::write(self.folder.path().join("authorities.pem"), authorities)?;
        Ok(fs::write(configuration.join("config.toml"), "[network]\nextra_ca = [\"~/authorities.pem\"]\n")?)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self) -> Fallible<Daemon> {
        self.start(self.command(&["run"]))
    }

    /// Starts the daemon by this command.
    pub(crate) fn start(&self, mut command: Command) -> Fallible<Daemon> {
        let log = File::options().append(true).create(true).open(self.log())?;
        let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Daemon { pid: child.id(), child })
    }

    /// Starts the daemon and waits until it is at work.
    pub(crate) fn daemon_at_work(&self) -> Fallible<Daemon> {
        let daemon = self.daemon()?;
        wait("the daemon is at work", || Ok(self.said("is at work")))?;
        Ok(daemon)
    }

    pub(crate) fn said(&self, words: &str) -> bool {
        fs::read_to_string(self.log()).is_ok_and(|log| log.contains(words))
    }

    /// Ends a daemon that is not a child of this program.
    pub(crate) fn stop(&self) -> Fallible<()> {
        let status: serde_json::Value =
            serde_json::from_slice(&self.command(&["status", "--json"]).output()?.stdout)?;
        let pid =
            status.get("daemon").and_then(|daemon| daemon.get("pid")).and_then(serde_json::Value::as_i64);
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or("no daemon answers")?, Signal::TERM)?)
    }
}

/// A running daemon, killed when it is dropped.
pub(crate) struct Daemon {
    pid: u32,
    child: Child,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Fallible<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or("no process has this number")?;
        kill_process(pid, Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it has rested for `quiet`: what it still had to save is saved then.
    pub(crate) fn wait_for_rest(&self, quiet: Duration) -> Fallible<()> {
        let (mut last, mut since) = (process::Usage::of(self.pid)?, Instant::now());
        wait("the daemon rests", || {
            let now = process::Usage::of(self.pid)?;
            if now.cpu != last.cpu || now.written != last.written {
                (last, since) = (now, Instant::now());
            }
            Ok(since.elapsed() >= quiet)
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until it is so.
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> Fallible<bool>) -> Fallible<()> {
    let end = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > end {
            return Err(format!("it never came to pass: {what}").into());
        }
        std::thread::sleep(TURN);
    }
    Ok(())
}
