//! This process, its user, and the processes that it starts.

use std::ffi::OsString;
use std::io;
use std::process::Command;

/// Users have no numbers here: all files that this process can reach count as its user's.
pub(crate) fn user_id() -> u32 {
    0
}

/// An administrator's process is not told apart.
pub(crate) fn is_root() -> bool {
    false
}

/// A text that differs between machines and users, and stays as it is.
pub(crate) fn machine_and_user() -> String {
    let variable = |name| std::env::var(name).unwrap_or_default();
    format!("{} {}", variable("COMPUTERNAME"), variable("USERNAME"))
}

/// No service manager is known here.
pub(crate) fn is_service() -> bool {
    false
}

/// The command takes this process's place: it is waited for, and its exit code becomes ours. Returns only where it cannot be started.
pub(crate) fn become_command(command: &mut Command, _name: Option<OsString>) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// A command that is ended when this is dropped. What it starts itself goes on: there is no group without a job object.
pub(crate) struct ProcessGroup;

impl ProcessGroup {
    /// Starts a command.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn spawn(command: &mut tokio::process::Command) -> io::Result<(tokio::process::Child, Self)> {
        Ok((command.kill_on_drop(true).spawn()?, Self))
    }

    /// It ended by itself: what it left running may go on.
    pub(crate) fn ended(&mut self) {}
}
