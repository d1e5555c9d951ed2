use crate::platform::without_window;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Tells the agent that it is a service, and whose.
const SERVICE: (&str, &str) = ("MCP_REFRESHD_SERVICE", "task-scheduler");

/// The first pause before another try, as in the systemd unit.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest: an agent that fails for days costs one start a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An agent that ran for this long did start: the next pause is short again.
const SETTLED: Duration = Duration::from_secs(60);

/// The agent's exit code when `mcp-refreshd stop` asked it to stop. Not 0: some tools end a process with 0.
const STOPPED: i32 = 3;
/// The agent's exit code for a configuration or a command line that it cannot use: another try would fail, too.
const USAGE: i32 = 2;

/// What to do after the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: end with this code.
    End(u8),
    /// Start it again after a pause.
    Again(Duration),
}

/// What to do about an agent that ended with `code` (`None`: it could not be started) after it had run for `ran`, having failed
/// `failures` times in a row before.
fn next(code: Option<i32>, ran: Duration, failures: u32) -> Next {
    match code {
        Some(STOPPED) => Next::End(0),
        Some(USAGE) => Next::End(2),
        _ if ran >= SETTLED => Next::Again(SHORTEST_PAUSE),
        _ => {
            let factor = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
            Next::Again(SHORTEST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
        }
    }
}

/// Runs the agent until it ends for good, and returns its exit code.
pub(crate) fn supervise(agent: &Path, arguments: Vec<OsString>) -> u8 {
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let code = run(agent, &arguments);
        let ran = began.elapsed();
        match next(code, ran, failures) {
            Next::End(code) => return code,
            Next::Again(pause) => thread::sleep(pause),
        }
        failures = if ran >= SETTLED { 0 } else { failures.saturating_add(1) };
    }
}

/// Its exit code; `None` if it cannot be started, as while an upgrade replaces it, or if a signal killed it.
fn run(agent: &Path, arguments: &[OsString]) -> Option<i32> {
    let mut command = Command::new(agent);
    command.args(arguments).env(SERVICE.0, SERVICE.1);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    without_window(&mut command);
    command.status().ok()?.code()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_agent_that_was_asked_to_stop_or_cannot_be_configured_is_not_started_again() {
        assert_eq!(next(Some(3), SECOND, 0), Next::End(0));
        assert_eq!(next(Some(2), SECOND, 5), Next::End(2));
    }

    #[test]
    fn an_agent_that_ends_otherwise_is_started_again_with_growing_pauses() {
        let pauses: Vec<_> = (0..7).map(|failures| next(Some(1), SECOND, failures)).collect();
        let expected: Vec<_> = [2, 4, 8, 16, 32, 60, 60].map(|n| Next::Again(SECOND * n)).to_vec();
        assert_eq!(pauses, expected);
        assert_eq!(next(Some(-1_073_741_510), SECOND, u32::MAX), Next::Again(LONGEST_PAUSE));
        assert_eq!(next(Some(0), SECOND, 0), Next::Again(SHORTEST_PAUSE), "killed, perhaps");
        assert_eq!(next(None, SECOND, 0), Next::Again(SHORTEST_PAUSE));
    }

    #[test]
    fn an_agent_that_ran_for_long_is_started_again_at_once() {
        assert_eq!(next(Some(1), SETTLED, 9), Next::Again(SHORTEST_PAUSE));
    }
}
