use crate::platform::moment::{is_before, until};
use crate::platform::shell::Shell;
use refresh_engine::Now;
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Claude Code keeps its document in the login Keychain on macOS.
pub(crate) const CLIENT_USES_KEYCHAIN: bool = cfg!(target_os = "macos");

/// Whether Claude Code may keep its document in Windows Credential Manager.
pub(crate) const CLIENT_MAY_USE_CREDENTIAL_MANAGER: bool = false;

/// The shell that commands for the user are written for.
pub(crate) const SHELL: Shell = Shell::Posix;

/// The folder with an organization's managed settings for Claude Code.
pub(crate) const MANAGED_SETTINGS: &str =
    if cfg!(target_os = "macos") { "/Library/Application Support/ClaudeCode" } else { "/etc/claude-code" };

/// launchd is always running on macOS.
pub(crate) fn has_service_manager() -> bool {
    cfg!(target_os = "macos")
}

/// The command line that starts this command so that it outlives the shell.
pub(crate) fn in_background(command: &str) -> String {
    format!("nohup {command} &")
}

/// The longest socket path, in bytes (`sun_path` without the trailing NUL).
pub(crate) const SOCKET_PATH_LIMIT: usize = 103;

/// The variables that set the configuration and state folders, and their defaults in the home folder (XDG base
/// directories, on every system of this kind).
pub(crate) const CONFIG_FOLDER: (&str, &str) = ("XDG_CONFIG_HOME", ".config");
pub(crate) const STATE_FOLDER: (&str, &str) = ("XDG_STATE_HOME", ".local/state");

/// How often to check the wall clock: the system's timers stop during a suspend.
const TICK: Duration = Duration::from_secs(30);

/// Whether [`is_stopped`] knows.
#[cfg(test)]
pub(crate) const KNOWS_STOPPED: bool = false;

/// Whether a process is stopped by a signal; unknown on this system.
pub(crate) fn is_stopped(_pid: u32) -> bool {
    false
}

/// The user at the other end of a socket: only the event loop's sockets know.
pub(crate) fn peer_of(_stream: &std::os::unix::net::UnixStream) -> Option<u32> {
    None
}

/// The program that started this one, by its process id. The shell in between runs a single command in its own place there.
pub(crate) fn starter() -> Option<String> {
    Some(rustix::process::getppid()?.as_raw_nonzero().get().to_string())
}

/// There are no user namespaces.
pub(crate) fn unknown_user() -> Option<u32> {
    None
}

/// Time since boot; on macOS this clock keeps running during a suspend.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nothing to do: a process needs debugging rights to read another's memory.
pub(crate) fn forbid_tracing() -> io::Result<()> {
    Ok(())
}

/// No system service keeps the agent's log.
pub(crate) fn log_reader(_home: &Path, _follow: bool, _lines: Option<usize>) -> Option<Command> {
    None
}

/// The command that shows a desktop notice (macOS). The texts are arguments, never part of the script. Its notices have no ids.
pub(crate) fn desktop_notice(title: &str, body: &str, _shown: Option<u32>) -> Vec<Command> {
    let mut command = Command::new("/usr/bin/osascript");
    command.args(["-e", "on run argv"]);
    command.args(["-e", "display notification (item 2 of argv) with title (item 1 of argv)"]);
    command.args(["-e", "end run", "--", title, body]);
    vec![command]
}

/// Notices cannot be closed on this system; they disappear by themselves.
pub(crate) fn withdrawn_notice(_shown: u32) -> Vec<Command> {
    Vec::new()
}

/// Sleeps until either clock has reached its part of `moment`.
pub(crate) async fn sleep_until(moment: Now, now: impl Fn() -> Now) {
    while is_before(now(), moment) {
        tokio::time::sleep(until(now(), moment).min(TICK)).await;
    }
}

/// Returns when it is time to compare the clocks: this system does not report that one was set. Returns for how long it waited if no clock
/// tells that.
pub(crate) async fn clock_changed() -> Option<Duration> {
    tokio::time::sleep(TICK).await;
    None
}

/// Watches the mount table; this system does not report changes.
pub(crate) struct Mounts;

impl Mounts {
    pub(crate) fn new() -> Self {
        Self
    }

    /// Never returns.
    pub(crate) async fn changed(&self) {
        std::future::pending().await
    }
}

/// The command that opens a URL in the user's browser; `None` where there is no desktop.
pub(crate) fn browser_command(url: &str) -> Option<Command> {
    let mut command = Command::new("open");
    command.arg(url);
    Some(command)
}
