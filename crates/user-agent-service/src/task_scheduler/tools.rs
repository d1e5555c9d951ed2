//! The tools that every Windows has in `System32`. Their words are in the system's language: only exit codes and identifiers are read.

use crate::{ServiceError, Tool};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// They answer at once unless a service of the system is stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

pub(super) struct Tools {
    schtasks: Tool,
    taskkill: Tool,
    whoami: Tool,
}

impl Tools {
    pub(super) fn of(folder: &Path) -> Self {
        let tool = |name: &str| Tool::new(folder.join(name), ANSWER_LIMIT);
        Self { schtasks: tool("schtasks.exe"), taskkill: tool("taskkill.exe"), whoami: tool("whoami.exe") }
    }

    /// This user's SID; `None` if the tool does not tell it, as Wine's does not.
    pub(super) fn user_id(&self) -> Result<Option<String>, ServiceError> {
        match self.whoami.ask(&["/user", "/fo", "csv", "/nh"]) {
            Ok(said) => Ok(sid_in(&said.out)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Registers a task, in the place of one with this name.
    pub(super) fn create(&self, name: &str, file: &Path) -> Result<(), ServiceError> {
        let words = ["/Create", "/TN", name, "/XML"].map(OsStr::new);
        self.schtasks(&[&words[..], &[file.as_os_str(), OsStr::new("/F")]].concat())
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), ServiceError> {
        self.schtasks(&["/Delete", "/TN", name, "/F"].map(OsStr::new))
    }

    pub(super) fn run(&self, name: &str) -> Result<(), ServiceError> {
        self.schtasks(&["/Run", "/TN", name].map(OsStr::new))
    }

    /// Ends the task's program at once. One that does not run is not an error.
    pub(super) fn end(&self, name: &str) -> Result<(), ServiceError> {
        self.schtasks.ask(&["/End", "/TN", name])?;
        Ok(())
    }

    /// Whether the Task Scheduler has this task.
    pub(super) fn knows(&self, name: &str) -> Result<bool, ServiceError> {
        let said = self.schtasks.ask(&["/Query", "/TN", name]);
        Ok(said.map_err(|error| self.missing_or(error))?.well())
    }

    /// Ends a process at once. One that has just ended is not an error.
    pub(super) fn kill(&self, process: u32) -> Result<(), ServiceError> {
        self.taskkill.ask(&["/F", "/PID", &process.to_string()])?;
        Ok(())
    }

    fn schtasks(&self, arguments: &[&OsStr]) -> Result<(), ServiceError> {
        self.schtasks.run(arguments).map(drop).map_err(|error| self.missing_or(error))
    }

    fn missing_or(&self, error: crate::ToolError) -> ServiceError {
        match error.is_missing() {
            true => ServiceError::NoManager(format!(
                "{} is not there, so this system has no Task Scheduler; the agent runs without it: mcp-refreshd run",
                self.schtasks.program().display()
            )),
            false => error.into(),
        }
    }
}

/// The first security identifier in a text ("S-1-5-21-…", [MS-DTYP] 2.4.2.1).
fn sid_in(text: &str) -> Option<String> {
    let start = text.match_indices("S-1-").map(|(start, _)| text.get(start..)).next()??;
    let end = start.find(|c: char| c != 'S' && c != '-' && !c.is_ascii_digit()).unwrap_or(start.len());
    start.get(..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sid_is_found_in_every_language() {
        let said =
            "\"desktop-7\\j\u{fffd}rg \"\"s-1\"\"\",\"S-1-5-21-3623811015-3361044348-30300820-1013\"\r\n";
        assert_eq!(sid_in(said).as_deref(), Some("S-1-5-21-3623811015-3361044348-30300820-1013"));
        assert_eq!(sid_in("VM\\root\n"), None);
        assert_eq!(sid_in("S-1-"), Some("S-1-".to_owned()));
    }
}
