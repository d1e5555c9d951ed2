pub(crate) use super::notice::{desktop_notice, withdrawn_notice};
use crate::platform::moment::{is_before, until};
use crate::platform::shell::Shell;
use refresh_engine::Now;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Claude Code keeps its document in a file here.
pub(crate) const CLIENT_USES_KEYCHAIN: bool = false;

/// Whether Claude Code may keep its document in Windows Credential Manager.
pub(crate) const CLIENT_MAY_USE_CREDENTIAL_MANAGER: bool = true;

/// The shell that commands for the user are written for.
pub(crate) const SHELL: Shell = Shell::PowerShell;

/// The folder with an organization's managed settings for Claude Code.
pub(crate) const MANAGED_SETTINGS: &str = r"C:\Program Files\ClaudeCode";

/// Every Windows has the Task Scheduler.
pub(crate) fn has_service_manager() -> bool {
    true
}

/// The command line that starts this command in a window of its own (PowerShell).
pub(crate) fn in_background(command: &str) -> String {
    let (program, arguments) = command.split_once(' ').unwrap_or((command, ""));
    format!("Start-Process {program} '{arguments}'")
}

/// How often to check the wall clock: the system's timers stop during a suspend.
const TICK: Duration = Duration::from_secs(30);

/// The variables that set the configuration and state folders, and their defaults in the home folder.
pub(crate) const CONFIG_FOLDER: (&str, &str) = ("APPDATA", r"AppData\Roaming");
pub(crate) const STATE_FOLDER: (&str, &str) = ("LOCALAPPDATA", r"AppData\Local");

/// Whether a process is stopped by a signal; Windows has none.
pub(crate) fn is_stopped(_pid: u32) -> bool {
    false
}

/// The program that started this one: not asked for here.
pub(crate) fn starter() -> Option<String> {
    None
}

/// There are no user namespaces.
pub(crate) fn unknown_user() -> Option<u32> {
    None
}

/// Time since boot; keeps running during a suspend, as `GetTickCount64` does in whole seconds even where `Instant` does not.
pub(crate) fn since_boot() -> Duration {
    static START: LazyLock<(Instant, Duration)> =
        LazyLock::new(|| (Instant::now(), Duration::from_secs(sysinfo::System::uptime())));
    let (start, up) = *START;
    (up + start.elapsed()).max(Duration::from_secs(sysinfo::System::uptime()))
}

/// No system service keeps the agent's log.
pub(crate) fn log_reader(_home: &Path, _follow: bool, _lines: Option<usize>) -> Option<Command> {
    None
}

/// Sleeps until either clock has reached its part of `moment`.
pub(crate) async fn sleep_until(moment: Now, now: impl Fn() -> Now) {
    while is_before(now(), moment) {
        tokio::time::sleep(until(now(), moment).min(TICK)).await;
    }
}

/// Returns when it is time to compare the clocks: the system does not report that one was set. Returns for how long it waited: the standard
/// library has no clock that stops during a suspend.
pub(crate) async fn clock_changed() -> Option<Duration> {
    tokio::time::sleep(TICK).await;
    Some(TICK)
}

/// Watches the mount table; the system does not report changes.
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
    let mut command = Command::new("rundll32.exe");
    command.args(["url.dll,FileProtocolHandler", url]);
    Some(command)
}
