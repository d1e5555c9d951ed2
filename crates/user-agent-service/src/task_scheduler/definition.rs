//! The task as XML (Task Scheduler Schema, version 1.2).
//!
//! The text is ASCII, with everything else as character references, and names no encoding: `schtasks.exe` reads a file in the code page of
//! the system unless it is UTF-16, and refuses one that names another encoding than it guessed.

use crate::ServiceError;
use crate::stamp::stamp_line;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The program and its launcher, in one folder.
const PROGRAM: &str = "mcp-refreshd.exe";
const LAUNCHER: &str = "mcp-refreshdw.exe";
const NAMESPACE: &str = "http://schemas.microsoft.com/windows/2004/02/mit/task";

/// What differs between users and machines.
pub(super) struct Definition<'a> {
    /// The user's SID, or name with domain.
    pub(super) user: &'a str,
    /// The program without a console that runs the agent.
    pub(super) launcher: &'a Path,
    pub(super) log_file: &'a Path,
    /// The agent's working directory: one that nobody wants to remove.
    pub(super) folder: &'a Path,
}

impl Definition<'_> {
    /// The definition with a stamp that reveals edits.
    ///
    /// # Errors
    /// A path cannot be written in a task.
    pub(super) fn stamped(&self) -> Result<String, ServiceError> {
        let text = self.text()?;
        let stamp = format!("<!-- {} -->\n", stamp_line(&text));
        let place = text.find('\n').map_or(0, |end| end + 1);
        let (head, rest) = text.split_at(place);
        Ok(format!("{head}{stamp}{rest}"))
    }

    fn text(&self) -> Result<String, ServiceError> {
        let arguments = format!("run --log-file {}", argument(unicode(self.log_file)?));
        let user = escaped(self.user);
        let name = escaped(&task_name(self.user));
        let command = escaped(unicode(self.launcher)?);
        let (arguments, folder) = (escaped(&arguments), escaped(unicode(self.folder)?));
        // Without `UserId` in the trigger the task would be for every user's logon, which takes an administrator. The default priority, 7,
        // is for the background with slow disk access: a write under Claude Code's lock must not wait for that.
        Ok(format!(
            r#"<?xml version="1.0"?>
<Task version="1.2" xmlns="{NAMESPACE}">
  <RegistrationInfo>
    <Description>Keeps the OAuth tokens of Claude Code's MCP servers fresh</Description>
    <URI>\{name}</URI>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <IdleSettings>
      <StopOnIdleEnd>false</StopOnIdleEnd>
      <RestartOnIdle>false</RestartOnIdle>
    </IdleSettings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>255</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{folder}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"#
        ))
    }
}

/// The name of a user's task. Tasks of all users share one folder.
pub(super) fn task_name(user: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    format!("mcp-refreshd-{}", user.chars().map(plain).collect::<String>())
}

/// The launcher that belongs to this program. A link to the program stands alone; the launcher is where the link leads.
pub(super) fn launcher_of(program: &Path) -> PathBuf {
    let beside = program.with_file_name(LAUNCHER);
    let target = std::fs::read_link(program).ok().filter(|_| !beside.exists());
    target.map_or(beside, |target| {
        let folder = program.parent().unwrap_or(Path::new(""));
        folder.join(target).with_file_name(LAUNCHER)
    })
}

/// The user of a definition.
pub(super) fn user(text: &str) -> Option<String> {
    element(text, "UserId").filter(|user| !user.is_empty())
}

/// The program that a definition runs through its launcher.
pub(super) fn program(text: &str) -> Option<PathBuf> {
    let command = PathBuf::from(element(text, "Command")?);
    let (folder, name) = (folder_of(&command)?, command.to_str()?.rsplit(['\\', '/']).next()?.to_owned());
    Some(if name.eq_ignore_ascii_case(LAUNCHER) {
        PathBuf::from(format!("{folder}{PROGRAM}"))
    } else {
        command
    })
}

/// A path up to its last separator, on every system.
fn folder_of(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    text.get(..text.rfind(['\\', '/'])? + 1).map(str::to_owned)
}

/// A path as text.
///
/// # Errors
/// It is not Unicode, or the Task Scheduler would replace a part of it.
fn unicode(path: &Path) -> Result<&str, ServiceError> {
    let refused = |why: &str| {
        ServiceError::Refused(format!(
            "{why}, so {} cannot be in a task; move the program (or your home folder), and try again",
            path.display()
        ))
    };
    let text = path.to_str().ok_or_else(|| refused("the Task Scheduler requires Unicode paths"))?;
    if text.matches('%').count() > 1 || text.contains("$(") {
        return Err(refused("the Task Scheduler takes %…% and $(…) for variables"));
    }
    Ok(text)
}

/// One argument in a command line, as programs take it apart (`CommandLineToArgvW`).
fn argument(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for character in text.chars() {
        if character == '"' {
            quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if character == '\\' { backslashes + 1 } else { 0 };
        quoted.push(character);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted.push('"');
    quoted
}

/// Text in ASCII for an element.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut xml, character| {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            ' '..='~' => xml.push(character),
            // Writing to a string cannot fail.
            other => drop(write!(xml, "&#x{:X};", u32::from(other))),
        }
        xml
    })
}

/// The text of the first element with this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    let mut parts = content.trim().split('&');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (reference, rest) = part.split_once(';')?;
        plain.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests;
