//! This process, its user, and the processes that it starts.

use rustix::process::{Pid, Signal, geteuid, getuid, kill_process_group};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The agent's name as a job of launchd.
const SERVICE_LABEL: &str = "dev.mcp-refreshd";

/// The id of the user with whose rights this process works.
pub(crate) fn user_id() -> u32 {
    geteuid().as_raw()
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// A text that differs between machines and users, and stays as it is.
pub(crate) fn machine_and_user() -> String {
    format!("{} {}", rustix::system::uname().nodename().to_string_lossy(), getuid().as_raw())
}

/// Whether a service manager started this process: systemd names the process that it starts (`systemd.exec(5)`), launchd the job.
pub(crate) fn is_service() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    is("SYSTEMD_EXEC_PID", &std::process::id().to_string()) || is("XPC_SERVICE_NAME", SERVICE_LABEL)
}

/// This process becomes the command, which is told `name` as its own; returns only where that cannot be.
pub(crate) fn become_command(command: &mut Command, name: Option<OsString>) -> io::Error {
    if let Some(name) = name {
        command.arg0(name);
    }
    command.exec()
}

/// A command with all that it starts, which is ended when this is dropped.
pub(crate) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// Starts a command as the first of its own group.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn spawn(command: &mut tokio::process::Command) -> io::Result<(tokio::process::Child, Self)> {
        let child = command.process_group(0).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok((child, Self(group)))
    }

    /// It ended by itself: what it left running may go on.
    pub(crate) fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended this very moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
