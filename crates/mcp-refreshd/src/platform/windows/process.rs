//! This process, its user and its children.

use std::ffi::OsString;
use std::io;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// No signal reaches a program without a console of its own: the agent is asked to stop.
pub(crate) const STOPS_BY_REQUEST: bool = true;

/// Users have no numeric ids: every file that this process can reach counts as its user's.
pub(crate) fn user_id() -> u32 {
    0
}

/// No file is told to be another user's.
pub(crate) fn user_name(_user: u32) -> Option<String> {
    None
}

/// Administrators are not distinguished.
pub(crate) fn is_root() -> bool {
    false
}

/// Whether a process of this number may be running; unknown here.
pub(crate) fn may_run(_process: u32) -> bool {
    true
}

/// A stable string that differs between machines and users.
pub(crate) fn machine_and_user() -> String {
    let variable = |name| std::env::var(name).unwrap_or_default();
    format!("{} {}", variable("COMPUTERNAME"), variable("USERNAME"))
}

/// Whether the scheduled task started this process: its launcher says so.
pub(crate) fn is_service() -> bool {
    std::env::var("MCP_REFRESHD_SERVICE").is_ok_and(|manager| manager == "task-scheduler")
}

/// Runs the command in place of this process: waits for it and exits with its code. Returns only if it cannot be started.
pub(crate) fn become_command(command: &mut Command, _name: Option<OsString>) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// A line of the user's, for the system's shell: `cmd.exe` takes it as it is between the outer quotes (`/S`).
pub(crate) fn command_line(line: &str) -> Command {
    let shell = std::env::var_os("ComSpec").unwrap_or_else(|| r"C:\Windows\System32\cmd.exe".into());
    let mut command = Command::new(shell);
    command.raw_arg("/D /S /C \"").raw_arg(line).raw_arg("\"");
    command
}

/// Random bytes, fit for a secret: not needed here.
///
/// # Errors
/// Always.
pub(crate) fn random<const N: usize>() -> io::Result<zeroize::Zeroizing<[u8; N]>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Starts a command that outlives this process: without its console (`DETACHED_PROCESS`, `CREATE_NEW_PROCESS_GROUP`).
///
/// # Errors
/// It cannot be started.
pub(crate) fn spawn_apart(command: &mut Command) -> io::Result<std::process::Child> {
    command.creation_flags(0x0000_0008 | 0x0000_0200).spawn()
}

/// `CREATE_NO_WINDOW`: no console window opens for a program, even if this process has no console of its own.
pub(crate) const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// A command with its children; dropping this kills them all, as far as `taskkill.exe` can.
pub(crate) struct ProcessGroup(Option<u32>);

impl ProcessGroup {
    /// Starts a command.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn spawn(command: &mut tokio::process::Command) -> io::Result<(tokio::process::Child, Self)> {
        let child = command.kill_on_drop(true).spawn()?;
        let group = Self(child.id());
        Ok((child, group))
    }

    /// It exited by itself: its children may keep running.
    pub(crate) fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let Some(process) = self.0 else { return };
        let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
        let mut taskkill = Command::new(Path::new(&root).join(r"System32\taskkill.exe"));
        taskkill.args(["/F", "/T", "/PID", &process.to_string()]).creation_flags(CREATE_NO_WINDOW);
        // Whoever waits for the command kills it alone where this fails.
        let _ = taskkill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// One word of a command line for the shell in which Claude Code runs commands: `cmd`. A path holds no quotes there.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.\\/:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("\"{word}\"") }
}
