//! Claude Code's own program.

use crate::platform::signals::Ends;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::wording::quoted;
use claude_store::StorageFolder;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Claude Code's installers put it, below the home folder, where it is not on the `PATH`.
const USUAL: [&str; 2] = [".local/bin/claude", ".claude/local/claude"];

/// The variables that say which store Claude Code uses.
const FOLDER_VARIABLES: [&str; 2] = ["CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR"];

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
    variables: Vec<(&'static str, Option<PathBuf>)>,
    program: PathBuf,
    arguments: Vec<String>,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unset = self.variables.iter().filter(|(_, value)| value.is_none());
        let unset: String = unset.map(|(name, _)| format!(" -u {name}")).collect();
        if !unset.is_empty() {
            write!(f, "env{unset} ")?;
        }
        for (name, value) in &self.variables {
            if let Some(value) = value {
                write!(f, "{name}={} ", quoted(&value.to_string_lossy()))?;
            }
        }
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

    /// `claude mcp STEP NAME` for the store of this folder.
    pub(super) fn command(
        &self,
        step: &str,
        server: &str,
        folder: Option<&StorageFolder>,
        paths: &Paths,
    ) -> Command {
        let mut arguments = vec!["mcp".to_owned(), step.to_owned()];
        arguments.extend((self.no_browser && step == "login").then(|| "--no-browser".to_owned()));
        // Never taken for an option.
        arguments.extend(server.starts_with('-').then(|| "--".to_owned()));
        arguments.push(server.to_owned());
        let env = |name: &str| std::env::var_os(name);
        let variables = folder.map(|folder| variables(folder, &env, &paths.home)).unwrap_or_default();
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

/// What has to be different in this environment so that Claude Code uses the store of this folder.
fn variables(
    folder: &StorageFolder,
    env: &dyn Fn(&str) -> Option<OsString>,
    home: &Path,
) -> Vec<(&'static str, Option<PathBuf>)> {
    let with = |set: &[(&'static str, Option<PathBuf>)]| {
        let value = |name: &str| match set.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => value.clone().map(PathBuf::into_os_string),
            None => env(name),
        };
        StorageFolder::from_env(&value, home)
    };
    let [config, secure] = FOLDER_VARIABLES;
    let storage = Some(folder.path().to_owned());
    let client = Some(folder.config_folder().to_owned());
    // The first that leads there, the plainest first.
    let ways = [
        vec![],
        vec![(config, None), (secure, None)],
        vec![(config, storage.clone()), (secure, None)],
        vec![(config, None), (secure, storage.clone())],
        vec![(config, client), (secure, storage)],
    ];
    let leads = |way: &Vec<_>| {
        let there = with(way);
        there.path() == folder.path() && there.config_folder() == folder.config_folder()
    };
    let mut way = ways.into_iter().find(leads).unwrap_or_default();
    way.retain(|(name, value)| value.is_some() || env(name).is_some());
    way
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HOME: &str = "/home/me";

    fn env(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }

    /// The command for a folder, typed in a shell with these variables.
    fn typed(folder: &StorageFolder, shell: &[(&str, &str)]) -> String {
        let variables = variables(folder, &env(shell), Path::new(HOME));
        Command { variables, program: "claude".into(), arguments: vec!["mcp".into()] }.to_string()
    }

    #[test]
    fn each_store_is_reached_from_every_shell() {
        let home = Path::new(HOME);
        let usual = StorageFolder::from_env(&|_| None, home);
        let work = [("CLAUDE_CONFIG_DIR", "/srv/my work")];
        let secure = [("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/secure")];
        let (of_work, of_secure) =
            (StorageFolder::from_env(&env(&work), home), StorageFolder::from_env(&env(&secure), home));
        assert_eq!(typed(&usual, &[]), "claude mcp");
        assert_eq!(typed(&usual, &work), "env -u CLAUDE_CONFIG_DIR claude mcp");
        assert_eq!(typed(&of_work, &work), "claude mcp");
        assert_eq!(typed(&of_work, &[]), "CLAUDE_CONFIG_DIR='/srv/my work' claude mcp");
        assert_eq!(
            typed(&of_work, &secure),
            "env -u CLAUDE_SECURESTORAGE_CONFIG_DIR CLAUDE_CONFIG_DIR='/srv/my work' claude mcp"
        );
        assert_eq!(typed(&of_secure, &[]), "CLAUDE_SECURESTORAGE_CONFIG_DIR=/secure claude mcp");
    }

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
