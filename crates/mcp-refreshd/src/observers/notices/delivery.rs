//! The two ways to a person: the desktop's own tool, and a command from the configuration.

use super::trouble::Trouble;
use crate::platform;
use crate::platform::outside::outside;
use crate::platform::process::ProcessGroup;
use crate::terminal::wording::visible;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// A hook, or a desktop that does not answer, is waited for this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// No tool says more when it prints a number.
const LONGEST_NUMBER: u64 = 64;

/// Shows a notice on the desktop, in the place of the one with the number `shown`, and gives its number, where it has one. Where there is
/// no desktop (a server, a machine without the tool) that is no trouble.
pub(crate) async fn desktop(trouble: &Trouble, shown: Option<u32>) -> Option<u32> {
    let said = first_that_can(platform::desktop_notice(&trouble.title(), &trouble.body(), shown)).await?;
    said.trim().parse().ok()
}

/// Takes a notice from the desktop.
pub(crate) async fn withdraw(shown: u32) {
    first_that_can(platform::withdrawn_notice(shown)).await;
}

/// Runs one command after the other until one succeeds, and gives what that one printed.
async fn first_that_can(commands: Vec<std::process::Command>) -> Option<String> {
    for command in commands {
        match ended(command.into(), Stdio::piped(), PATIENCE).await {
            Ok(said) => return Some(said),
            Err(why) => tracing::debug!("the desktop's tool {why}"),
        }
    }
    None
}

/// Runs the user's command with the trouble in its environment.
pub(crate) async fn hook(line: &str, trouble: &Trouble) {
    if let Err(why) = run(hook_command(line, trouble), PATIENCE).await {
        tracing::warn!("the hook for {} {why}", visible(&trouble.server));
    }
}

pub(crate) fn hook_command(line: &str, trouble: &Trouble) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command.env("MCP_REFRESHD_EVENT", "action_required");
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
pub(crate) async fn run(command: Command, patience: Duration) -> Result<(), String> {
    ended(command, Stdio::null(), patience).await.map(drop)
}

/// The same; gives the beginning of what it printed, where `output` is a pipe.
async fn ended(command: Command, output: Stdio, patience: Duration) -> Result<String, String> {
    let mut command = outside(command, patience);
    command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
    let (mut child, mut group) =
        ProcessGroup::spawn(&mut command).map_err(|error| format!("cannot be started: {error}"))?;
    let output = child.stdout.take();
    let said = async {
        let mut said = String::new();
        if let Some(output) = output {
            // What is no text is no number.
            let _ = output.take(LONGEST_NUMBER).read_to_string(&mut said).await;
        }
        said
    };
    let end = tokio::time::timeout(patience, async { tokio::join!(child.wait(), said) }).await;
    match end {
        Ok((Ok(status), said)) => {
            group.ended();
            if status.success() { Ok(said) } else { Err(format!("failed: {status}")) }
        }
        Ok((Err(error), _)) => Err(format!("cannot be waited for: {error}")),
        Err(_) => {
            drop(group);
            // Killed: it ends at once, and leaves no zombie.
            let _ = child.wait().await;
            Err(format!("did not end within {} s and was killed", patience.as_secs()))
        }
    }
}
