//! How notices are sent: by the desktop's own tool, and by a command from the configuration.

use super::trouble::Trouble;
use crate::control::protocol::Delivery;
use crate::platform;
use crate::platform::outside::outside;
use crate::platform::process::{ProcessGroup, command_line};
use crate::settings::config::NoticesConfig;
use crate::terminal::wording::visible;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// A hook, or a desktop that does not answer, is waited for this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// No more is read of what a tool prints, a number or an error.
const LONGEST_ANSWER: u64 = 400;

/// Shows a notice on the desktop, in the place of the one with the number `shown`, and returns its number, where it has one. A machine
/// without a desktop or the tool is normal.
pub(crate) async fn desktop(trouble: &Trouble, shown: Option<u32>) -> Option<u32> {
    match first_that_can(platform::desktop_notice(&trouble.title(), &trouble.body(), shown)).await {
        Ok(said) => said.trim().parse().ok(),
        Err(why) => {
            tracing::debug!("cannot show a desktop notice: {why}");
            None
        }
    }
}

/// Takes a notice from the desktop.
pub(crate) async fn withdraw(shown: u32) {
    if let Err(why) = first_that_can(platform::withdrawn_notice(shown)).await {
        tracing::debug!("cannot remove a desktop notice: {why}");
    }
}

/// Sends a test notice by every means that the configuration names.
pub(crate) async fn test(config: &NoticesConfig) -> Vec<Delivery> {
    let trouble = Trouble::test();
    let mut deliveries = Vec::new();
    if config.desktop {
        let commands = platform::desktop_notice(&trouble.title(), &trouble.body(), None);
        let error = first_that_can(commands).await.err();
        deliveries.push(Delivery { means: "desktop".to_owned(), error });
    }
    if let Some(line) = &config.hook {
        let error = run(hook_command(line, &trouble), PATIENCE).await.err();
        deliveries.push(Delivery { means: "hook".to_owned(), error });
    }
    deliveries
}

/// Runs one command after the other until one succeeds, and returns what that one printed.
///
/// # Errors
/// None did: says why the last one did not.
async fn first_that_can(commands: Vec<std::process::Command>) -> Result<String, String> {
    let mut failure = "this system has no tool for it".to_owned();
    for command in commands {
        let program = command.get_program().to_string_lossy().into_owned();
        match ended(command.into(), Stdio::piped, PATIENCE).await {
            Ok(said) => return Ok(said),
            Err(why) => failure = format!("{program} {why}"),
        }
    }
    Err(failure)
}

/// Runs the user's command with the trouble in its environment.
pub(crate) async fn hook(line: &str, trouble: &Trouble) {
    if let Err(why) = run(hook_command(line, trouble), PATIENCE).await {
        tracing::warn!("the hook for {} {why}", visible(&trouble.server));
    }
}

pub(crate) fn hook_command(line: &str, trouble: &Trouble) -> Command {
    let mut command = Command::from(command_line(line));
    command.env("MCP_REFRESHD_EVENT", trouble.event());
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
    ended(command, Stdio::null, patience).await.map(drop)
}

/// The same; returns the beginning of what it printed, if its output is piped. A failure then carries the beginning of its errors.
async fn ended(command: Command, output: fn() -> Stdio, patience: Duration) -> Result<String, String> {
    let mut command = outside(command, patience);
    command.stdin(Stdio::null()).stdout(output()).stderr(output());
    let (mut child, mut group) =
        ProcessGroup::spawn(&mut command).map_err(|error| format!("cannot be started: {error}"))?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let all = async { tokio::join!(child.wait(), beginning(output), beginning(errors)) };
    let end = tokio::time::timeout(patience, all).await;
    match end {
        Ok((Ok(status), said, errors)) => {
            group.ended();
            match (status.success(), errors.trim()) {
                (true, _) => Ok(said),
                (false, "") => Err(format!("failed: {status}")),
                (false, errors) => Err(format!("failed: {}", visible(errors))),
            }
        }
        Ok((Err(error), ..)) => Err(format!("cannot be waited for: {error}")),
        Err(_) => {
            drop(group);
            let _ = child.start_kill();
            // Killed: it ends at once, and leaves no zombie.
            let _ = child.wait().await;
            Err(format!("did not end within {} s and was killed", patience.as_secs()))
        }
    }
}

async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read until an error is what there is.
        let _ = pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
