//! How the agent is started and restarted on this machine.

use crate::platform;
use crate::platform::SHELL;
use crate::platform::process::is_root;
use crate::platform::shell::Shell;

/// How the agent is started here. `installed` says whether it is a service of this user, where that is known.
pub(crate) fn how_to_start(installed: Option<bool>) -> String {
    start(has_service_manager(), installed, is_for_root())
}

/// How the running agent is restarted here: as a service, or by hand where it is none.
pub(crate) fn how_to_restart(installed: bool, process: Option<u32>) -> String {
    restart(SHELL, has_service_manager(), installed, process)
}

/// How an agent that is no service is ended.
pub(crate) fn how_to_end(process: u32) -> String {
    end(SHELL, process, platform::is_stopped(process))
}

/// What to do to an agent that does not answer, and the command for it. `installed` says whether it is a service of this user, where
/// that is known.
pub(crate) fn how_to_wake(process: u32, stopped: bool, installed: Option<bool>) -> (&'static str, String) {
    wake(SHELL, process, stopped, installed)
}

fn wake(shell: Shell, process: u32, stopped: bool, installed: Option<bool>) -> (&'static str, String) {
    match (shell, stopped, installed) {
        (_, _, Some(true)) => ("restart", "mcp-refreshd restart".to_owned()),
        (Shell::Posix, true, _) => ("resume", format!("kill -CONT {process}")),
        (Shell::Posix, false, _) => (
            "stop",
            format!("kill {process} (or, if that does not help, kill -KILL {process}); then start it again"),
        ),
        (Shell::PowerShell, ..) => ("stop", format!("taskkill /F /PID {process}; then start it again")),
    }
}

fn end(shell: Shell, process: u32, stopped: bool) -> String {
    match shell {
        // It takes no signal before it goes on.
        Shell::Posix if stopped => format!("kill -CONT {process} && kill {process}"),
        Shell::Posix => format!("kill {process}"),
        // No signal asks a program to end there; taskkill kills.
        Shell::PowerShell => "mcp-refreshd stop".to_owned(),
    }
}

/// The short form for a sentence that goes on: the command that has the agent run from now on.
fn start(manager: bool, installed: Option<bool>, root: bool) -> String {
    // Root is asked whether it is meant.
    let install = if root { "mcp-refreshd install --allow-root" } else { "mcp-refreshd install" };
    match (manager, installed) {
        (true, Some(true)) => "mcp-refreshd start".to_owned(),
        (true, Some(false)) => install.to_owned(),
        (true, None) => format!("{install} (or start, if it is installed)"),
        (false, _) => by_hand(),
    }
}

fn restart(shell: Shell, manager: bool, installed: bool, process: Option<u32>) -> String {
    if manager && installed {
        return "mcp-refreshd restart".to_owned();
    }
    let end = process.map_or_else(
        || "stop its process".to_owned(),
        |process| end(shell, process, platform::is_stopped(process)),
    );
    format!("{end}, then start it again as before: {}", by_hand())
}

/// How the agent is started by hand: it outlives the shell, and keeps a log for `mcp-refreshd logs`.
pub(crate) fn by_hand() -> String {
    platform::in_background(match SHELL {
        Shell::Posix => "mcp-refreshd run --log-file ~/mcp-refreshd.log",
        // Its window shows the log; nothing expands `~` in arguments there.
        Shell::PowerShell => "mcp-refreshd run",
    })
}

fn is_for_root() -> bool {
    // Tests of the program read the same for every user.
    #[cfg(debug_assertions)]
    if std::env::var_os("MCP_REFRESHD_TEST_SERVICES").is_some() {
        return false;
    }
    !cfg!(test) && is_root()
}

fn has_service_manager() -> bool {
    #[cfg(debug_assertions)]
    if let Some(manager) = std::env::var_os("MCP_REFRESHD_TEST_SERVICES") {
        return manager != "none";
    }
    // Unit tests read the same on every machine.
    cfg!(test) || platform::has_service_manager()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSIX: Shell = Shell::Posix;

    #[test]
    fn a_service_is_started_as_one_and_nothing_is_installed_where_no_manager_runs() {
        assert_eq!(start(true, Some(true), false), "mcp-refreshd start");
        assert_eq!(start(true, Some(false), false), "mcp-refreshd install");
        assert_eq!(start(true, Some(false), true), "mcp-refreshd install --allow-root");
        assert!(start(true, None, false).starts_with("mcp-refreshd install (or start"));
        for installed in [None, Some(false), Some(true)] {
            assert_eq!(start(false, installed, true), by_hand());
        }
    }

    #[test]
    fn an_agent_that_hangs_is_resumed_restarted_or_stopped() {
        for stopped in [true, false] {
            assert_eq!(wake(POSIX, 7, stopped, Some(true)), ("restart", "mcp-refreshd restart".to_owned()));
        }
        for installed in [None, Some(false)] {
            assert_eq!(wake(POSIX, 7, true, installed), ("resume", "kill -CONT 7".to_owned()));
            let (verb, command) = wake(POSIX, 7, false, installed);
            assert!(verb == "stop" && command.starts_with("kill 7 "), "{command}");
        }
    }

    #[test]
    fn a_stopped_agent_goes_on_before_it_can_end() {
        assert_eq!(end(POSIX, 7, true), "kill -CONT 7 && kill 7");
        assert_eq!(end(POSIX, 7, false), "kill 7");
    }

    #[test]
    fn an_agent_that_is_no_service_is_restarted_by_its_process() {
        assert_eq!(restart(POSIX, true, true, Some(7)), "mcp-refreshd restart");
        for (manager, installed) in [(true, false), (false, true), (false, false)] {
            let told = restart(POSIX, manager, installed, Some(7));
            assert!(
                told.starts_with("kill 7, ")
                    && told.ends_with(&by_hand())
                    && !told.contains("mcp-refreshd restart"),
                "{told}"
            );
        }
    }

    #[test]
    fn on_windows_an_agent_is_stopped_by_request_and_killed_only_if_it_hangs() {
        let windows = Shell::PowerShell;
        assert_eq!(end(windows, 7, false), "mcp-refreshd stop");
        assert_eq!(wake(windows, 7, false, Some(true)).1, "mcp-refreshd restart");
        assert_eq!(
            wake(windows, 7, false, None),
            ("stop", "taskkill /F /PID 7; then start it again".to_owned())
        );
        assert_eq!(start(true, Some(false), false), "mcp-refreshd install");
        let told = restart(windows, true, false, Some(7));
        assert_eq!(told, format!("mcp-refreshd stop, then start it again as before: {}", by_hand()));
    }
}
