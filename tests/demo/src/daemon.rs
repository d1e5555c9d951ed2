//! The real daemon as a child process in a world of its own.

use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// A daemon with nothing under way stops in a moment; one in the middle of a refresh finishes it first.
const PATIENCE: Duration = Duration::from_secs(15);
/// Lines of its log that are shown when something went wrong.
const TAIL: usize = 30;

/// The daemon's binary beside this program. Under cargo it is built first, so that it is never older than its source.
pub(crate) fn binary() -> Result<PathBuf, Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or("this program has no folder")?;
    let binary = folder.join(format!("mcp-refreshd{}", std::env::consts::EXE_SUFFIX));
    if let Some(cargo) = std::env::var_os("CARGO") {
        build(&cargo, folder)?;
    }
    if binary.is_file() {
        return Ok(binary);
    }
    Err(format!(
        "there is no daemon at {}: build it (cargo build -p mcp-refreshd) or name it with --daemon",
        binary.display()
    )
    .into())
}

fn build(cargo: &OsStr, folder: &Path) -> Result<(), Box<dyn Error>> {
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut command = StdCommand::new(cargo);
    command.args(["build", "--quiet", "--package", "mcp-refreshd", "--profile", profile]);
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    // What `cargo run` tells this program about itself would have crates built anew that look at such variables.
    for (name, _) in std::env::vars_os() {
        let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if name.to_str().is_some_and(|name| about_us.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("the daemon cannot be built: {status}").into()),
    }
}

pub(crate) struct Daemon {
    /// Killed when it is dropped, should the demo fail half-way.
    child: Child,
}

impl Daemon {
    /// Starts `mcp-refreshd run` with every folder it may use inside `folder`.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(binary);
        command.arg("run").env_clear().stdin(Stdio::null()).kill_on_drop(true);
        for name in ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        for (name, part) in [
            ("HOME", "home"),
            ("CLAUDE_CONFIG_DIR", "claude"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_RUNTIME_DIR", "run"),
        ] {
            command.env(name, folder.join(part));
        }
        let log = File::create(log_path(folder))?;
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        Ok(Self { child })
    }

    /// Waits until the daemon ends.
    pub(crate) async fn ended(&mut self) -> String {
        told(self.child.wait().await)
    }

    /// SIGTERM, then patience.
    pub(crate) async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => Err(format!("the daemon did not end well: {}", told(status)).into()),
            Err(_) => {
                Err(format!("the daemon did not stop within {} s of SIGTERM", PATIENCE.as_secs()).into())
            }
        }
    }
}

fn told(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("daemon.log")
}

/// The last lines of the daemon's log.
pub(crate) fn tail_of_log(folder: &Path) -> String {
    let log = fs::read_to_string(log_path(folder)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}
