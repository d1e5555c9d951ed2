use std::time::Duration;
use tokio::process::Command;

/// The agent already has all the user's rights.
pub(crate) fn outside(command: Command, _limit: Duration) -> Command {
    command
}
