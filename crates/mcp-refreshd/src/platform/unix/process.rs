//! This process, its user and its children.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, geteuid, getuid, kill_process_group, test_kill_process};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A signal stops the agent.
pub(crate) const STOPS_BY_REQUEST: bool = false;

/// The agent's name as a job of launchd.
const SERVICE_LABEL: &str = "dev.mcp-refreshd";

/// The effective user id of this process.
pub(crate) fn user_id() -> u32 {
    geteuid().as_raw()
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// The user's name, from the tool that asks every directory service; `None` if nobody is called that.
pub(crate) fn user_name(user: u32) -> Option<String> {
    // Never one from a folder of somebody else's: root may be asking.
    let tool = ["/usr/bin/id", "/bin/id"].into_iter().find(|tool| std::path::Path::new(tool).exists())?;
    let told = Command::new(tool).args(["-nu", &user.to_string()]).output().ok()?;
    let name = String::from_utf8(told.stdout).ok()?.trim().to_owned();
    (told.status.success() && !name.is_empty() && name != user.to_string()).then_some(name)
}

/// Whether a process of this number may be running.
pub(crate) fn may_run(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

/// A stable string that differs between machines and users.
pub(crate) fn machine_and_user() -> String {
    format!("{} {}", rustix::system::uname().nodename().to_string_lossy(), getuid().as_raw())
}

/// Whether a service manager started this process: systemd sets the process id (`systemd.exec(5)`), launchd the job's name.
pub(crate) fn is_service() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    is("SYSTEMD_EXEC_PID", &std::process::id().to_string()) || is("XPC_SERVICE_NAME", SERVICE_LABEL)
}

/// One word of a command line for the shell in which Claude Code runs commands: `sh`.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Replaces this process with the command under the name `name`; returns only on failure.
pub(crate) fn become_command(command: &mut Command, name: Option<OsString>) -> io::Error {
    if let Some(name) = name {
        command.arg0(name);
    }
    command.exec()
}

/// A line of the user's, for the system's shell.
pub(crate) fn command_line(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

/// Random bytes, fit for a secret.
///
/// # Errors
/// The system has none.
pub(crate) fn random<const N: usize>() -> io::Result<zeroize::Zeroizing<[u8; N]>> {
    use std::io::Read;
    let mut bytes = zeroize::Zeroizing::new([0; N]);
    std::fs::File::open("/dev/urandom")?.read_exact(&mut *bytes)?;
    Ok(bytes)
}

/// Starts a command that outlives this process, whose group it does not belong to.
///
/// # Errors
/// It cannot be started.
pub(crate) fn spawn_apart(command: &mut Command) -> io::Result<std::process::Child> {
    command.process_group(0).spawn()
}

/// A command with its children; dropping this kills them all.
pub(crate) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// Starts a command in its own process group.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn spawn(command: &mut tokio::process::Command) -> io::Result<(tokio::process::Child, Self)> {
        let child = command.process_group(0).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok((child, Self(group)))
    }

    /// It exited by itself: its children may keep running.
    pub(crate) fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have exited just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
