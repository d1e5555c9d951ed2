//! Notices on the desktop, shown by Windows PowerShell, which every Windows has. Texts are variables, never part of a script.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process::Command;

/// A toast, which stays in the notification centre. A program has to be known to show one; PowerShell is. `ErrorActionPreference` makes an
/// error the exit code. Windows replaces a toast by one with the same tag.
const TOAST: &str = "$ErrorActionPreference = 'Stop'; \
    $app = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'; \
    $null = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]; \
    $xml = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent('ToastText02'); \
    $texts = $xml.GetElementsByTagName('text'); \
    $null = $texts.Item(0).AppendChild($xml.CreateTextNode($env:MCP_REFRESHD_TITLE)); \
    $null = $texts.Item(1).AppendChild($xml.CreateTextNode($env:MCP_REFRESHD_BODY)); \
    $toast = New-Object Windows.UI.Notifications.ToastNotification($xml); \
    $toast.Group = 'mcp-refreshd'; $toast.Tag = $env:MCP_REFRESHD_TAG; \
    [Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($app).Show($toast); \
    Write-Output $env:MCP_REFRESHD_TAG";

/// A balloon at the notification area, for a Windows without toasts. It goes with its icon, so the script stays for a while.
const BALLOON: &str = "$ErrorActionPreference = 'Stop'; \
    Add-Type -AssemblyName System.Windows.Forms; Add-Type -AssemblyName System.Drawing; \
    $icon = New-Object System.Windows.Forms.NotifyIcon; $icon.Icon = [System.Drawing.SystemIcons]::Information; \
    $icon.Visible = $true; \
    $icon.ShowBalloonTip(10000, $env:MCP_REFRESHD_TITLE, $env:MCP_REFRESHD_BODY, 'Info'); \
    Start-Sleep -Seconds 5; $icon.Dispose()";

const REMOVAL: &str = "$ErrorActionPreference = 'Stop'; \
    $app = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'; \
    $null = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]; \
    [Windows.UI.Notifications.ToastNotificationManager]::History.Remove($env:MCP_REFRESHD_TAG, 'mcp-refreshd', $app)";

/// The commands that show a desktop notice, to be tried in order; it replaces the one with this id, if any. The first prints the id.
pub(crate) fn desktop_notice(title: &str, body: &str, shown: Option<u32>) -> Vec<Command> {
    let tag = shown.unwrap_or_else(new_tag).to_string();
    let notice = |script| {
        let mut command = powershell(script);
        command.env("MCP_REFRESHD_TITLE", title).env("MCP_REFRESHD_BODY", body);
        command.env("MCP_REFRESHD_TAG", &tag);
        command
    };
    vec![notice(TOAST), notice(BALLOON)]
}

/// The command that removes the notice with this id.
pub(crate) fn withdrawn_notice(shown: u32) -> Vec<Command> {
    let mut command = powershell(REMOVAL);
    command.env("MCP_REFRESHD_TAG", shown.to_string());
    vec![command]
}

/// By its path: a program of this name elsewhere is not it.
fn powershell(script: &str) -> Command {
    let root = std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from);
    let mut command = Command::new(root.join(r"System32\WindowsPowerShell\v1.0\powershell.exe"));
    command.args(["-NoProfile", "-NonInteractive", "-Command", script]);
    command
}

fn new_tag() -> u32 {
    // Any number will do that another notice hardly has.
    u32::try_from(RandomState::new().hash_one(0) >> 33).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_never_part_of_a_script() {
        let nasty = "'; calc.exe; \"$(calc.exe)";
        for command in desktop_notice(nasty, nasty, Some(7)) {
            assert!(command.get_args().all(|word| !word.to_string_lossy().contains("calc.exe")));
            let told = command.get_envs().filter(|(_, value)| value.is_some_and(|value| value == nasty));
            assert_eq!(told.count(), 2);
        }
        assert_eq!(withdrawn_notice(7).len(), 1);
    }
}
