use std::time::Duration;
use tokio::process::Command;

/// The agent has all rights of its user.
pub(crate) fn outside(command: Command, _limit: Duration) -> Command {
    command
}
