use crate::platform::moment::{is_before, until};
use refresh_engine::Now;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Claude Code keeps its document in a file here.
pub(crate) const CLIENT_USES_KEYCHAIN: bool = false;

/// Where an organization's settings for Claude Code are.
pub(crate) const MANAGED_SETTINGS: &str = r"C:\Program Files\ClaudeCode";

/// No service manager of this system is known yet.
pub(crate) fn has_service_manager() -> bool {
    false
}

/// How often the wall clock is looked at: the system's timers stand still during a suspend.
const TICK: Duration = Duration::from_secs(30);

/// The variables that move the folders of configuration and state, and where these are in the home folder without them.
pub(crate) const CONFIG_FOLDER: (&str, &str) = ("APPDATA", r"AppData\Roaming");
pub(crate) const STATE_FOLDER: (&str, &str) = ("LOCALAPPDATA", r"AppData\Local");

/// Whether a process is stopped by a signal; there are none here.
pub(crate) fn is_stopped(_pid: u32) -> bool {
    false
}

/// Time since boot; it goes on during a suspend.
pub(crate) fn since_boot() -> Duration {
    static START: LazyLock<(Instant, Duration)> =
        LazyLock::new(|| (Instant::now(), Duration::from_secs(sysinfo::System::uptime())));
    let (start, up) = *START;
    up + start.elapsed()
}

/// Nothing here keeps the agent's log.
pub(crate) fn log_reader(
    _home: &Path,
    _follow: bool,
    _lines: Option<usize>,
) -> Result<Command, Vec<PathBuf>> {
    Err(Vec::new())
}

/// The command that shows a notice: a balloon of the task bar, by the Windows Forms that every Windows has. The texts are variables,
/// never part of the script. Its notices have no numbers.
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
