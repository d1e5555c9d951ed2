use crate::platform::confined;
use std::ffi::{OsStr, OsString};
use std::time::Duration;
use tokio::process::Command;

/// Wraps the command so that it runs with the user's rights, outside the agent's sandbox.
pub(crate) fn outside(command: Command, limit: Duration) -> Command {
    match confined::by_systemd() {
        true => by_the_manager(&command, limit),
        false => command,
    }
}

/// The same command as a transient service of the user's manager: outside the agent's sandbox, with the manager's
/// environment and the command's own variables. The manager also enforces the time limit, in case the agent dies meanwhile.
pub(crate) fn by_the_manager(command: &Command, limit: Duration) -> Command {
    let command = command.as_std();
    let mut outside = Command::new("systemd-run");
    outside.args(["--user", "--quiet", "--collect", "--wait", "--pipe"]);
    outside.arg(format!("--property=RuntimeMaxSec={}", limit.as_secs().max(1)));
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let mut variable = OsString::from("--setenv=");
            [name, OsStr::new("="), value].into_iter().for_each(|part| variable.push(part));
            outside.arg(variable);
        }
    }
    outside.arg("--").arg(command.get_program());
    outside.args(command.get_args().map(without_expansion));
    outside
}

/// The manager expands variables (`${X}`, `$X`) unless the dollar sign is doubled.
fn without_expansion(argument: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::with_capacity(argument.len());
    for byte in argument.as_bytes() {
        bytes.extend(std::iter::repeat_n(*byte, if *byte == b'$' { 2 } else { 1 }));
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_outside_keeps_its_arguments_and_variables() {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg("echo \"$MCP_REFRESHD_WHY\"").env("MCP_REFRESHD_WHY", "a $x\nb");
        let outside = by_the_manager(&command, Duration::from_secs(10));
        let words: Vec<_> = outside.as_std().get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(
            words,
            [
                "--user",
                "--quiet",
                "--collect",
                "--wait",
                "--pipe",
                "--property=RuntimeMaxSec=10",
                "--setenv=MCP_REFRESHD_WHY=a $x\nb",
                "--",
                "/bin/sh",
                "-c",
                "echo \"$$MCP_REFRESHD_WHY\"",
            ]
        );
        assert_eq!(outside.as_std().get_envs().count(), 0);
    }
}
