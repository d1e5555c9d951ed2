use crate::platform::moment::{is_before, until};
use refresh_engine::Now;
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Claude Code keeps its document in the login Keychain on macOS.
pub(crate) const CLIENT_USES_KEYCHAIN: bool = cfg!(target_os = "macos");

/// Where an organization's settings for Claude Code are.
pub(crate) const MANAGED_SETTINGS: &str =
    if cfg!(target_os = "macos") { "/Library/Application Support/ClaudeCode" } else { "/etc/claude-code" };

/// launchd always runs on macOS.
pub(crate) fn has_service_manager() -> bool {
    cfg!(target_os = "macos")
}

/// Bytes that a socket's path may have (`sun_path`, without the NUL at its end).
pub(crate) const SOCKET_PATH_LIMIT: usize = 103;

/// The variables that move the folders of configuration and state, and where these are in the home folder without them (XDG base
/// directories, on every system of this kind).
pub(crate) const CONFIG_FOLDER: (&str, &str) = ("XDG_CONFIG_HOME", ".config");
pub(crate) const STATE_FOLDER: (&str, &str) = ("XDG_STATE_HOME", ".local/state");

/// How often the wall clock is looked at: the system's timers stand still during a suspend.
const TICK: Duration = Duration::from_secs(30);

/// Whether a process is stopped by a signal; nothing says so here.
pub(crate) fn is_stopped(_pid: u32) -> bool {
    false
}

/// Time since boot; on macOS this clock goes on during a suspend.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nothing to do here: without rights of debugging no process reads another one's memory.
pub(crate) fn forbid_tracing() -> io::Result<()> {
    Ok(())
}

/// Nothing here keeps the agent's log.
pub(crate) fn log_reader(
    _home: &Path,
    _follow: bool,
    _lines: Option<usize>,
) -> Result<Command, Vec<PathBuf>> {
    Err(Vec::new())
}

/// The command that shows a notice on the desktop (macOS). The texts are arguments, never part of the script. Its notices have no numbers.
pub(crate) fn desktop_notice(title: &str, body: &str, _shown: Option<u32>) -> Vec<Command> {
    let mut command = Command::new("/usr/bin/osascript");
    command.args(["-e", "on run argv"]);
    command.args(["-e", "display notification (item 2 of argv) with title (item 1 of argv)"]);
    command.args(["-e", "end run", "--", title, body]);
    vec![command]
}

/// Nothing takes a notice from the desktop here: it goes by itself.
pub(crate) fn withdrawn_notice(_shown: u32) -> Vec<Command> {
    Vec::new()
}

/// Sleeps until either clock has reached its part of `moment`.
pub(crate) async fn sleep_until(moment: Now, now: impl Fn() -> Now) {
    while is_before(now(), moment) {
        tokio::time::sleep(until(now(), moment).min(TICK)).await;
    }
}

/// Returns when the clocks are to be compared: nothing here says that one was set.
pub(crate) async fn clock_changed() {
    tokio::time::sleep(TICK).await;
}

/// What is mounted. Nothing here tells of changes.
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
