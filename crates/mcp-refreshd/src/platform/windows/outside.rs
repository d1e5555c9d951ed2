use std::time::Duration;
use tokio::process::Command;

/// `CREATE_NO_WINDOW`: no console window opens for it, even if this process has no console of its own.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// The agent already has all the user's rights.
pub(crate) fn outside(mut command: Command, _limit: Duration) -> Command {
    command.creation_flags(CREATE_NO_WINDOW);
    command
}
