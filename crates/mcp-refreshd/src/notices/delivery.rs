//! The two ways to a person: the desktop's own tool, and a command from the configuration.

use super::trouble::Trouble;
use crate::platform;
use crate::words::visible;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A hook, or a desktop that does not answer, is waited for this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Shows a notice on the desktop. Where there is none (a server, a machine without the tool) that is no trouble.
pub(super) async fn desktop(trouble: &Trouble) {
    let command = platform::desktop_notice(&trouble.title(), &trouble.body());
    if let Err(why) = run(command.into(), PATIENCE).await {
        tracing::debug!("no notice on the desktop: {why}");
    }
}

/// Runs the user's command with the trouble in its environment.
pub(super) async fn hook(line: &str, trouble: &Trouble) {
    if let Err(why) = run(hook_command(line, trouble), PATIENCE).await {
        tracing::warn!("the hook for {} {why}", visible(&trouble.server));
    }
}

pub(super) fn hook_command(line: &str, trouble: &Trouble) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command.env("MCP_REFRESHD_EVENT", "needs_person");
    for (name, value) in [
        ("CAUSE", trouble.cause),
        ("SERVER", &trouble.server),
        ("STORE", &trouble.store),
        ("WHY", &trouble.why),
        ("ACTION", &trouble.action),
        ("TITLE", &trouble.title()),
    ] {
        command.env(format!("MCP_REFRESHD_{name}"), visible(value));
    }
    // The one text of several lines, each of them made safe already.
    command.env("MCP_REFRESHD_TEXT", trouble.body());
    command
}

/// Runs a command with everything that it starts, and ends all of it when its time is over or we end.
pub(super) async fn run(mut command: Command, patience: Duration) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    match tokio::time::timeout(patience, child.wait()).await {
        Ok(Ok(status)) => {
            group.0 = None;
            if status.success() { Ok(()) } else { Err(format!("failed: {status}")) }
        }
        Ok(Err(error)) => Err(format!("cannot be waited for: {error}")),
        Err(_) => {
            drop(group);
            // Killed: it ends at once, and leaves no zombie.
            let _ = child.wait().await;
            Err(format!("did not end within {} s and was killed", patience.as_secs()))
        }
    }
}

/// A process group that must not outlive its time.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended this very moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
