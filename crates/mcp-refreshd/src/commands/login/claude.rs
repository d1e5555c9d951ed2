//! Claude Code's own program.

use crate::platform::signals::Ends;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::{Variables, prefix, variables};
use crate::terminal::wording::quoted;
use claude_store::StorageFolder;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Claude Code's installers put it, below the home folder, where it is not on the `PATH`.
const USUAL: [&str; 2] = [".local/bin/claude", ".claude/local/claude"];

/// After Ctrl-C, which Claude Code hears as well, it has this long to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The program, and how it is called.
#[derive(Debug)]
pub(super) struct Claude {
    program: PathBuf,
    no_browser: bool,
}

/// How one command ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Well,
    Failed(String),
    Interrupted,
}

/// One command line: variables (`None`: to be unset), program, arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    variables: Variables,
    program: PathBuf,
    arguments: Vec<String>,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&prefix(&self.variables))?;
        f.write_str(&quoted(&self.program.to_string_lossy()))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

impl Claude {
    /// The program that the user named, else `claude` on the `PATH`, else where installers put it.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn find(named: Option<&Path>, no_browser: bool, paths: &Paths) -> Result<Self, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = program(named, &path, &paths.home).ok_or_else(|| {
            let why = match named {
                Some(named) => format!("there is no program {}", quoted(&named.to_string_lossy())),
                None => "claude is not on the PATH; name it with --claude PROGRAM".to_owned(),
            };
            Failure::new(Exit::Person, why)
        })?;
        Ok(Self { program, no_browser })
    }

    /// The program as a shell would find it.
    pub(super) fn on_the_path(no_browser: bool) -> Self {
        Self { program: "claude".into(), no_browser }
    }

    /// `claude mcp STEP NAME` for the store of this folder, which is a Keychain item or a file.
    pub(super) fn command(
        &self,
        step: &str,
        server: &str,
        folder: Option<&StorageFolder>,
        in_keychain: bool,
        paths: &Paths,
    ) -> Command {
        let mut arguments = vec!["mcp".to_owned(), step.to_owned()];
        arguments.extend((self.no_browser && step == "login").then(|| "--no-browser".to_owned()));
        // Never taken for an option.
        arguments.extend(server.starts_with('-').then(|| "--".to_owned()));
        arguments.push(server.to_owned());
        let env = |name: &str| std::env::var_os(name);
        let variables = folder.map(|folder| variables(folder, in_keychain, &env, &paths.home));
        let variables = variables.unwrap_or_default();
        Command { variables, program: self.program.clone(), arguments }
    }

    /// Runs a command on this terminal. It hears Ctrl-C itself; we wait for its end.
    pub(super) async fn run(&self, command: &Command, signals: &mut Ends) -> End {
        let mut process = tokio::process::Command::new(&command.program);
        process.args(&command.arguments).kill_on_drop(true);
        for (name, value) in &command.variables {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        let mut child = match process.spawn() {
            Ok(child) => child,
            Err(error) => {
                return End::Failed(format!("{} cannot be started: {error}", command.program.display()));
            }
        };
        tokio::select! {
            end = child.wait() => match end {
                Ok(status) if status.success() => End::Well,
                // It was interrupted, and we may not have heard yet.
                Ok(status) if status.code().is_none_or(|code| code == 130) => End::Interrupted,
                Ok(status) => End::Failed(format!("claude failed ({status})")),
                Err(error) => End::Failed(format!("claude cannot be waited for: {error}")),
            },
            _ = signals.next() => {
                // Dropped, it is killed if it has not ended by then.
                let _ = tokio::time::timeout(FAREWELL, child.wait()).await;
                End::Interrupted
            }
        }
    }
}

fn program(named: Option<&Path>, path: &OsString, home: &Path) -> Option<PathBuf> {
    let name = named.unwrap_or(Path::new("claude"));
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_owned());
    }
    let on_path =
        std::env::split_paths(path).map(|folder| folder.join(name)).find(|program| program.is_file());
    // By its name alone it is shown as the user would type it.
    let usual = || USUAL.iter().map(|usual| home.join(usual)).find(|program| program.is_file());
    on_path.map(|_| name.to_owned()).or_else(|| if named.is_none() { usual() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_program_is_found_on_the_path_by_its_name_or_where_installers_put_it() {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        let path = bin.clone().into_os_string();
        assert_eq!(program(None, &path, home.path()), None);
        let local = home.path().join(".local/bin/claude");
        fs::create_dir_all(local.parent().unwrap()).unwrap();
        fs::write(&local, "").unwrap();
        assert_eq!(program(None, &path, home.path()), Some(local.clone()));
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("claude"), "").unwrap();
        assert_eq!(program(None, &path, home.path()), Some("claude".into()));
        assert_eq!(program(Some(&local), &path, home.path()), Some(local));
        assert_eq!(program(Some(Path::new("clod")), &path, home.path()), None);
    }
}
