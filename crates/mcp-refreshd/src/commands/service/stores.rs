//! Which stores an installation keeps. It never drops one silently.

use crate::agent::stores::storage_folders_in;
use crate::settings::config::{Config, Environment, KeychainReach};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::shell::with_variables;
use claude_store::StorageFolder;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variables that say where Claude Code's folders are.
const FOLDER_VARIABLES: [&str; 2] = ["CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR"];

/// What the user said about the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreChoice {
    Unsaid,
    /// Keep the shell's store in addition.
    Add,
    /// Keep the shell's store instead.
    Replace,
}

/// The storage folders of a service with this configuration, regardless of the calling shell.
pub(super) fn folders_of_service(config: &Config, paths: &Paths) -> Vec<StorageFolder> {
    folders(config, &config.environment, None, paths)
}

/// The folders with these variables, the first ones first.
fn folders(
    config: &Config,
    first: &Environment,
    then: Option<&Environment>,
    paths: &Paths,
) -> Vec<StorageFolder> {
    let set = |name: &str| first.get(name).or_else(|| then?.get(name)).map(OsString::from);
    let env = |name: &str| match FOLDER_VARIABLES.contains(&name) {
        true => set(name),
        false => std::env::var_os(name),
    };
    storage_folders_in(&env, config, paths)
}

/// What to add to `stores`, as it is written there. `news` are the variables of this shell that the configuration lacks.
///
/// # Errors
/// A store that the installed agent keeps would be dropped, and nobody said so: says what would change, and what to type.
pub(super) fn stores_to_keep(
    config: &Config,
    news: &Environment,
    paths: &Paths,
    choice: StoreChoice,
    installed: bool,
) -> Result<Vec<String>, Failure> {
    let kept = folders_of_service(config, paths);
    if choice == StoreChoice::Add {
        let default = Config { stores: None, ..config.clone() };
        let shell = folders(&default, news, Some(&config.environment), paths);
        let new = paths_of(shell.iter().filter(|folder| !holds(&kept, folder)));
        // Without a list the folder kept so far has to be listed, too.
        let listed =
            if config.stores.is_none() && !new.is_empty() { paths_of(kept.iter()) } else { Vec::new() };
        return Ok(listed.iter().chain(&new).map(|path| tilde(path, &paths.home)).collect());
    }
    if config.stores.is_some() && choice == StoreChoice::Replace {
        let path = paths.config.display();
        return Err(Failure::new(
            Exit::Usage,
            format!("`stores` in {path} lists the stores that the agent watches; edit it instead"),
        ));
    }
    let then = folders(config, news, Some(&config.environment), paths);
    let in_keychain = config.keychain.reach != KeychainReach::Off;
    let is_used = |folder: &&StorageFolder| {
        folder.credentials_path().exists() || (in_keychain && folder.path().exists())
    };
    let dropped = paths_of(kept.iter().filter(|folder| !holds(&then, folder)).filter(is_used));
    if dropped.is_empty() || choice == StoreChoice::Replace || !installed {
        return Ok(Vec::new());
    }
    Err(Failure::new(Exit::Person, refusal(&dropped, &paths_of(then.iter()), news)))
}

fn refusal(dropped: &[PathBuf], then: &[PathBuf], news: &Environment) -> String {
    let list = |paths: &[PathBuf]| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
    };
    let set: Vec<_> = FOLDER_VARIABLES.into_iter().filter(|name| news.get(name).is_some()).collect();
    let unset = with_variables(&set.iter().map(|name| (*name, None)).collect::<Vec<_>>());
    format!(
        "nothing was changed: the agent watches the logins in {}; because this shell sets {}, it would watch only those in {}\n\
         to watch both, type:          mcp-refreshd install --add-store\n\
         to watch only the new store:  mcp-refreshd install --replace-store\n\
         to leave the stores alone:    {unset}mcp-refreshd install",
        list(dropped),
        set.join(" and "),
        list(then),
    )
}

fn holds(folders: &[StorageFolder], folder: &StorageFolder) -> bool {
    let real =
        |folder: &StorageFolder| folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
    folders.iter().any(|other| real(other) == real(folder))
}

fn paths_of<'a>(folders: impl Iterator<Item = &'a StorageFolder>) -> Vec<PathBuf> {
    folders.map(|folder| folder.path().to_owned()).collect()
}

/// The path as people write it.
fn tilde(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) => {
            let parts: Vec<_> = rest.iter().map(|part| part.to_string_lossy()).collect();
            format!("~/{}", parts.join("/"))
        }
        Err(_) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A home with a login in `~/.claude`, and a shell with `CLAUDE_CONFIG_DIR`.
    fn home() -> (tempfile::TempDir, Paths, Environment) {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::from_env(&|name| (name == "HOME").then(|| place.path().into())).unwrap();
        fs::create_dir(place.path().join(".claude")).unwrap();
        fs::write(place.path().join(".claude/.credentials.json"), "{}").unwrap();
        let work = place.path().join("work");
        let shell =
            Environment::of(&|name| (name == "CLAUDE_CONFIG_DIR").then(|| work.clone().into())).unwrap();
        (place, paths, shell)
    }

    fn parsed(text: &str, paths: &Paths) -> Config {
        Config::parse(text, &paths.config, &paths.home).unwrap()
    }

    #[cfg(unix)] // The commands are those of a Unix shell.
    #[test]
    fn a_store_that_an_installed_agent_keeps_is_not_dropped_unless_the_user_says_so() {
        let (_place, paths, shell) = home();
        let config = Config::default();
        let ask = |choice, installed| stores_to_keep(&config, &shell, &paths, choice, installed);
        let refused = ask(StoreChoice::Unsaid, true).unwrap_err();
        for part in [
            ".claude;",
            "CLAUDE_CONFIG_DIR",
            "/work\n",
            "--add-store",
            "--replace-store",
            "env -u CLAUDE_CONFIG_DIR mcp",
        ] {
            assert!(refused.message().contains(part), "{}", refused.message());
        }
        assert!(ask(StoreChoice::Unsaid, false).unwrap().is_empty());
        assert!(ask(StoreChoice::Replace, true).unwrap().is_empty());
        assert_eq!(ask(StoreChoice::Add, true).unwrap(), ["~/.claude", "~/work"]);
    }

    #[test]
    fn nothing_is_refused_where_nothing_is_lost() {
        let (place, paths, shell) = home();
        for text in ["stores = [\"~/.claude\"]", "stores = [\"~/.claude\", \"~/work\"]"] {
            let added = stores_to_keep(&parsed(text, &paths), &shell, &paths, StoreChoice::Unsaid, true);
            assert!(added.unwrap().is_empty(), "{text}");
        }
        fs::remove_file(place.path().join(".claude/.credentials.json")).unwrap();
        assert!(stores_to_keep(&Config::default(), &shell, &paths, StoreChoice::Unsaid, true).is_ok());
    }

    #[test]
    fn a_listed_store_is_not_added_twice() {
        let (_place, paths, shell) = home();
        let both = parsed("stores = [\"default\", \"~/work\"]", &paths);
        assert!(stores_to_keep(&both, &shell, &paths, StoreChoice::Add, true).unwrap().is_empty());
        let one = parsed("stores = [\"default\"]", &paths);
        assert_eq!(stores_to_keep(&one, &shell, &paths, StoreChoice::Add, true).unwrap(), ["~/work"]);
    }
}
