//! How Claude Code is called so that it uses one store.

use crate::terminal::shell::{quoted, with_variables};
use claude_store::StorageFolder;
use compact::{Map, Set};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

const CONFIG: &str = "CLAUDE_CONFIG_DIR";
const SECURE_STORAGE: &str = "CLAUDE_SECURESTORAGE_CONFIG_DIR";

/// Variables to be set, or unset (`None`).
pub(crate) type Variables = Vec<(&'static str, Option<PathBuf>)>;

type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A name as an argument: quoted if the shell needs it, and never taken for an option.
pub(crate) fn argument(name: &str) -> String {
    if name.starts_with('-') { format!("-- {}", quoted(name)) } else { quoted(name) }
}

/// The folder of each store that this process opened. The location of a Keychain item does not say its folder, so whoever opens a store notes
/// it.
static OPENED: RwLock<Map<String, StorageFolder>> = RwLock::new(Map::new());

/// Whether this process is the agent: what it says is read in shells whose variables it does not know.
static IN_AGENT: AtomicBool = AtomicBool::new(false);

/// Notes which folder the store at this location belongs to.
pub(crate) fn remember(location: &str, folder: &StorageFolder) {
    OPENED.write().unwrap_or_else(PoisonError::into_inner).insert(location.to_owned(), folder.clone());
}

/// The locations of vaults that this process opened.
static VAULTS: RwLock<Set<String>> = RwLock::new(Set::new());

/// Notes that the store at this location is a vault, in which Claude Code cannot log in.
pub(crate) fn remember_vault(location: &str) {
    VAULTS.write().unwrap_or_else(PoisonError::into_inner).insert(location.to_owned());
}

/// Whether the store at this location is a vault.
pub(crate) fn is_vault(store: &str) -> bool {
    VAULTS.read().unwrap_or_else(PoisonError::into_inner).contains(store)
}

/// The locations of copies of a cluster's grants.
#[cfg(feature = "cluster")]
static CLUSTERS: RwLock<Set<String>> = RwLock::new(Set::new());

/// Notes that the store at this location is a copy of a cluster's grants.
#[cfg(feature = "cluster")]
pub(crate) fn remember_cluster(location: &str) {
    CLUSTERS.write().unwrap_or_else(PoisonError::into_inner).insert(location.to_owned());
}

/// Whether the store at this location is a copy of a cluster's grants.
#[cfg(feature = "cluster")]
pub(super) fn is_cluster(store: &str) -> bool {
    CLUSTERS.read().unwrap_or_else(PoisonError::into_inner).contains(store)
}

/// From now on commands are for a shell without folder variables; the program that shows them adapts them by [`for_this_shell`].
pub(crate) fn for_any_shell() {
    IN_AGENT.store(true, Ordering::Relaxed);
}

/// `claude mcp COMMAND NAME`, for the store at this location.
pub(super) fn claude_mcp(command: &str, server: &str, store: &str) -> String {
    let env: Env<'_> = if IN_AGENT.load(Ordering::Relaxed) { &|_| None } else { &of_this_shell };
    let prefix = std::env::home_dir().map(|home| prefix_of(store, env, &home)).unwrap_or_default();
    format!("{prefix}claude mcp {command} {}", argument(server))
}

/// A text of the agent with commands for the store at this location, as they have to be typed in this shell.
pub(crate) fn for_this_shell(text: &str, store: &str) -> String {
    std::env::home_dir().map_or_else(|| text.to_owned(), |home| adapted(text, store, &of_this_shell, &home))
}

fn adapted(text: &str, store: &str, env: Env<'_>, home: &Path) -> String {
    let command = |env: Env<'_>| format!("{}claude mcp ", prefix_of(store, env, home));
    text.replace(&command(&|_| None), &command(env))
}

fn of_this_shell(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn prefix_of(store: &str, env: Env<'_>, home: &Path) -> String {
    let opened = OPENED.read().unwrap_or_else(PoisonError::into_inner).get(store).cloned();
    // One that another process opened, as far as its location tells.
    let by_path = || {
        let folder = Path::new(store).parent().filter(|folder| folder.is_absolute())?;
        Some(StorageFolder::listed(folder, &|_| None, home))
    };
    let folder = opened.or_else(by_path);
    folder.map(|folder| prefix(&variables(&folder, is_item(store), env, home))).unwrap_or_default()
}

/// Whether this is the location of a Keychain item.
pub(crate) fn is_item(store: &str) -> bool {
    !Path::new(store).is_absolute()
}

/// What goes before a command that is to be run with these variables.
pub(crate) fn prefix(variables: &Variables) -> String {
    let text = |(name, value): &(&'static str, Option<PathBuf>)| {
        (*name, value.as_ref().map(|value| value.to_string_lossy().into_owned()))
    };
    with_variables(&variables.iter().map(text).collect::<Vec<_>>())
}

/// What has to be different in this environment so that Claude Code uses the store of this folder. A Keychain item has another name as
/// soon as a variable names the folder, be it the usual one.
pub(crate) fn variables(folder: &StorageFolder, in_keychain: bool, env: Env<'_>, home: &Path) -> Variables {
    let with = |set: &[(&'static str, Option<PathBuf>)]| {
        let value = |name: &str| match set.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => value.clone().map(PathBuf::into_os_string),
            None => env(name),
        };
        StorageFolder::from_env(&value, home)
    };
    let storage = Some(folder.path().to_owned());
    let client = Some(folder.config_folder().to_owned());
    // The first that leads there, the plainest first.
    let ways = [
        vec![],
        vec![(CONFIG, None), (SECURE_STORAGE, None)],
        vec![(CONFIG, storage.clone()), (SECURE_STORAGE, None)],
        vec![(CONFIG, None), (SECURE_STORAGE, storage.clone())],
        vec![(CONFIG, client), (SECURE_STORAGE, storage)],
    ];
    let leads = |way: &Variables| {
        let there = with(way);
        there.path() == folder.path()
            // In a shell whose Claude Code uses this store, its configuration is the one that is meant.
            && (way.is_empty() || there.config_folder() == folder.config_folder())
            && (!in_keychain || there.keychain_service() == folder.keychain_service())
    };
    let mut way = ways.into_iter().find(leads).unwrap_or_default();
    way.retain(|(name, value)| value.is_some() || env(name).is_some());
    way
}

// Their paths are those of Unix.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "/home/me";
    const WORK: [(&str, &str); 1] = [("CLAUDE_CONFIG_DIR", "/srv/my 'work'")];
    const SECURE: [(&str, &str); 1] = [("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/secure")];

    fn env(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }

    fn folder(set: &[(&str, &str)]) -> StorageFolder {
        StorageFolder::from_env(&env(set), Path::new(HOME))
    }

    /// What goes before the command for the store that one environment leads to, in a shell with another one.
    fn typed(store: &[(&str, &str)], in_keychain: bool, shell: &[(&str, &str)]) -> String {
        prefix(&variables(&folder(store), in_keychain, &env(shell), Path::new(HOME)))
    }

    #[test]
    fn each_store_is_reached_from_every_shell() {
        let work = r"CLAUDE_CONFIG_DIR='/srv/my '\''work'\''' ";
        assert_eq!(typed(&[], false, &[]), "");
        assert_eq!(typed(&[], false, &WORK), "env -u CLAUDE_CONFIG_DIR ");
        assert_eq!(typed(&WORK, false, &WORK), "");
        assert_eq!(typed(&WORK, false, &[]), work);
        assert_eq!(typed(&WORK, false, &SECURE), format!("env -u CLAUDE_SECURESTORAGE_CONFIG_DIR {work}"));
        assert_eq!(typed(&SECURE, false, &[]), "CLAUDE_SECURESTORAGE_CONFIG_DIR=/secure ");
        let both = [SECURE[0], ("CLAUDE_CONFIG_DIR", "/srv/work")];
        assert_eq!(
            typed(&both, false, &[]),
            "CLAUDE_CONFIG_DIR=/srv/work CLAUDE_SECURESTORAGE_CONFIG_DIR=/secure "
        );
        let usual = [("CLAUDE_CONFIG_DIR", "/home/me/.claude")];
        assert_eq!((typed(&usual, false, &[]), typed(&[], false, &usual)), (String::new(), String::new()));
    }

    #[test]
    fn a_keychain_item_is_named_by_the_folder_that_gave_it_its_name() {
        assert_eq!(typed(&[], true, &[]), "");
        let usual = [("CLAUDE_CONFIG_DIR", "/home/me/.claude")];
        assert_eq!(typed(&usual, true, &[]), "CLAUDE_CONFIG_DIR=/home/me/.claude ");
        assert_eq!(typed(&[], true, &usual), "env -u CLAUDE_CONFIG_DIR ");
        let location = "keychain:Claude Code-credentials-89de82ef (account me)";
        remember(location, &folder(&[("CLAUDE_CONFIG_DIR", "/srv/c")]));
        assert_eq!(claude_mcp("login", "lab", location), "CLAUDE_CONFIG_DIR=/srv/c claude mcp login lab");
    }

    #[test]
    fn a_store_that_another_process_opened_is_known_by_its_path() {
        let of = |store: &str| prefix_of(store, &|_| None, Path::new(HOME));
        assert_eq!(of("/home/me/.claude/.credentials.json"), "");
        assert_eq!(of("/srv/work/.credentials.json"), "CLAUDE_CONFIG_DIR=/srv/work ");
        assert_eq!(of("keychain:Claude Code-credentials (account me)"), "");
        assert_eq!(of(""), "");
    }

    #[test]
    fn a_folder_that_was_never_a_configuration_folder_is_named_as_storage_alone() {
        let home = tempfile::tempdir().unwrap();
        let document = home.path().join("storage/.credentials.json");
        std::fs::create_dir(document.parent().unwrap()).unwrap();
        std::fs::write(&document, "{}").unwrap();
        let of = |env: Env<'_>| prefix_of(document.to_str().unwrap(), env, home.path());
        let storage = format!("CLAUDE_SECURESTORAGE_CONFIG_DIR={} ", document.parent().unwrap().display());
        assert_eq!(of(&|_| None), storage);
        assert_eq!(of(&env(&WORK)), format!("env -u CLAUDE_CONFIG_DIR {storage}"));
        std::fs::write(document.with_file_name(".claude.json"), "{}").unwrap();
        assert_eq!(of(&|_| None), storage.replace("_SECURESTORAGE", ""));
    }

    #[test]
    fn what_the_agent_says_is_adapted_to_the_variables_of_this_shell() {
        let said = |text: &str, store: &str| adapted(text, store, &env(&WORK), Path::new(HOME));
        let usual = "/home/me/.claude/.credentials.json";
        assert_eq!(
            said("type: claude mcp logout lab && claude mcp login lab", usual),
            "type: env -u CLAUDE_CONFIG_DIR claude mcp logout lab && env -u CLAUDE_CONFIG_DIR claude mcp login lab"
        );
        let of_other = "CLAUDE_CONFIG_DIR=/srv/other claude mcp login lab";
        assert_eq!(said(of_other, "/srv/other/.credentials.json"), of_other);
        let refresh = "mcp-refreshd refresh lab --force";
        assert_eq!(said(refresh, usual), refresh);
    }
}
