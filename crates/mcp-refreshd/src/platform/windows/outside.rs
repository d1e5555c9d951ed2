use super::process::CREATE_NO_WINDOW;
use std::time::Duration;
use tokio::process::Command;

/// The agent already has all the user's rights.
pub(crate) fn outside(mut command: Command, _limit: Duration) -> Command {
    command.creation_flags(CREATE_NO_WINDOW);
    command
}
