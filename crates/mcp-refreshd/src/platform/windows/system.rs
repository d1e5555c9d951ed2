use crate::platform::moment::{is_before, until};
use refresh_engine::Now;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Claude Code keeps its document in a file here.
pub(crate) const CLIENT_USES_KEYCHAIN: bool = false;

/// The folder with an organization's managed settings for Claude Code.
pub(crate) const MANAGED_SETTINGS: &str = r"C:\Program Files\ClaudeCode";

/// No service manager is supported yet.
pub(crate) fn has_service_manager() -> bool {
    false
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

/// Time since boot; keeps running during a suspend.
pub(crate) fn since_boot() -> Duration {
    static START: LazyLock<(Instant, Duration)> =
        LazyLock::new(|| (Instant::now(), Duration::from_secs(sysinfo::System::uptime())));
    let (start, up) = *START;
    up + start.elapsed()
}

/// No system service keeps the agent's log.
pub(crate) fn log_reader(
    _home: &Path,
    _follow: bool,
    _lines: Option<usize>,
) -> Result<Command, Vec<PathBuf>> {
    Err(Vec::new())
}

/// The command that shows a notice: a taskbar balloon, made with Windows Forms, which every Windows has. The texts are variables,
/// never part of the script. Its notices have no ids.
pub(crate) fn desktop_notice(title: &str, body: &str, _shown: Option<u32>) -> Vec<Command> {
    const SCRIPT: &str = "Add-Type -AssemblyName System.Windows.Forms; Add-Type -AssemblyName System.Drawing; \
        $icon = New-Object System.Windows.Forms.NotifyIcon; $icon.Icon = [System.Drawing.SystemIcons]::Information; \
        $icon.Visible = $true; \
        $icon.ShowBalloonTip(10000, $env:MCP_REFRESHD_TITLE, $env:MCP_REFRESHD_BODY, 'Info'); \
        Start-Sleep -Seconds 10; $icon.Dispose()";
    let mut command = Command::new("powershell.exe");
    command.args(["-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden", "-Command", SCRIPT]);
    command.env("MCP_REFRESHD_TITLE", title).env("MCP_REFRESHD_BODY", body);
    vec![command]
}

/// Notices cannot be closed; they disappear by themselves.
pub(crate) fn withdrawn_notice(_shown: u32) -> Vec<Command> {
    Vec::new()
}

/// Sleeps until either clock has reached its part of `moment`.
pub(crate) async fn sleep_until(moment: Now, now: impl Fn() -> Now) {
    while is_before(now(), moment) {
        tokio::time::sleep(until(now(), moment).min(TICK)).await;
    }
}

/// Returns when it is time to compare the clocks: the system does not report that one was set.
pub(crate) async fn clock_changed() {
    tokio::time::sleep(TICK).await;
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
