//! How the agent is started and restarted on this machine.

use crate::platform;

/// How the agent is started here. `installed` says whether it is a service of this user, where that is known.
pub(crate) fn how_to_start(installed: Option<bool>) -> String {
    start(has_service_manager(), installed)
}

/// How the running agent is restarted here: as a service, or by hand where it is none.
pub(crate) fn how_to_restart(installed: bool, process: Option<u32>) -> String {
    restart(has_service_manager(), installed, process)
}

/// What to do to an agent that does not answer, and the command for it. `installed` says whether it is a service of this user, where
/// that is known.
pub(crate) fn how_to_wake(process: u32, stopped: bool, installed: Option<bool>) -> (&'static str, String) {
    match (stopped, installed) {
        (_, Some(true)) => ("restart", "mcp-refreshd restart".to_owned()),
        (true, _) => ("continue", format!("kill -CONT {process}")),
        (false, _) => (
            "end",
            format!("kill {process} (or, if that does not help, kill -KILL {process}); then start it again"),
        ),
    }
}

/// The short form for a sentence that goes on: the command that has the agent run from now on.
fn start(manager: bool, installed: Option<bool>) -> String {
    match (manager, installed) {
        (true, Some(true)) => "mcp-refreshd start".to_owned(),
        (true, Some(false)) => "mcp-refreshd install".to_owned(),
        (true, None) => "mcp-refreshd install (or start, if it is installed)".to_owned(),
        (false, _) => by_hand(),
    }
}

fn restart(manager: bool, installed: bool, process: Option<u32>) -> String {
    if manager && installed {
        return "mcp-refreshd restart".to_owned();
    }
    let end = process.map_or_else(|| "end its process".to_owned(), |process| format!("kill {process}"));
    format!("{end}, then start it again as before: {}", by_hand())
}

/// How the agent is started by hand: it outlives the shell, and keeps a log for `mcp-refreshd logs`.
pub(crate) fn by_hand() -> String {
    platform::in_background("mcp-refreshd run --log-file ~/mcp-refreshd.log")
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

    #[test]
    fn a_service_is_started_as_one_and_nothing_is_installed_where_no_manager_runs() {
        assert_eq!(start(true, Some(true)), "mcp-refreshd start");
        assert_eq!(start(true, Some(false)), "mcp-refreshd install");
        assert!(start(true, None).starts_with("mcp-refreshd install (or start"));
        for installed in [None, Some(false), Some(true)] {
            assert_eq!(start(false, installed), by_hand());
        }
    }

    #[test]
    fn an_agent_that_hangs_is_continued_restarted_or_ended() {
        for stopped in [true, false] {
            assert_eq!(how_to_wake(7, stopped, Some(true)), ("restart", "mcp-refreshd restart".to_owned()));
        }
        for installed in [None, Some(false)] {
            assert_eq!(how_to_wake(7, true, installed), ("continue", "kill -CONT 7".to_owned()));
            let (verb, command) = how_to_wake(7, false, installed);
            assert!(verb == "end" && command.starts_with("kill 7 "), "{command}");
        }
    }

    #[test]
    fn an_agent_that_is_no_service_is_restarted_by_its_process() {
        assert_eq!(restart(true, true, Some(7)), "mcp-refreshd restart");
        for (manager, installed) in [(true, false), (false, true), (false, false)] {
            let told = restart(manager, installed, Some(7));
            assert!(
                told.starts_with("kill 7, ")
                    && told.ends_with(&by_hand())
                    && !told.contains("mcp-refreshd restart"),
                "{told}"
            );
        }
    }
}
