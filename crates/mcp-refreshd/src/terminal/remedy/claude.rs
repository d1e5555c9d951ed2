//! How Claude Code is called so that it uses one store.

use crate::terminal::wording::quoted;
use claude_store::StorageFolder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// A name as an argument: quoted if the shell needs it, and never taken for an option.
pub(crate) fn argument(name: &str) -> String {
    if name.starts_with('-') { format!("-- {}", quoted(name)) } else { quoted(name) }
}

/// The folder variables for each store that this process opened. A Keychain item's location does not name its folder, so opening a
/// store notes it.
static OPENED: RwLock<BTreeMap<String, String>> = RwLock::new(BTreeMap::new());

/// Notes which folder the store at this location belongs to.
pub(crate) fn remember(location: &str, folder: &StorageFolder, home: &Path) {
    let variables = variables(folder, home, !Path::new(location).is_absolute());
    OPENED.write().unwrap_or_else(PoisonError::into_inner).insert(location.to_owned(), variables);
}

/// `claude mcp COMMAND NAME`, for the store at this location.
pub(super) fn claude_mcp(command: &str, server: &str, store: &str) -> String {
    format!("{}claude mcp {command} {}", variables_of(store), argument(server))
}

fn variables_of(store: &str) -> String {
    let opened = OPENED.read().unwrap_or_else(PoisonError::into_inner).get(store).cloned();
    opened.unwrap_or_else(|| std::env::home_dir().map(|home| by_path(store, &home)).unwrap_or_default())
}

/// The same for a store that another process opened, as far as its location tells.
fn by_path(store: &str, home: &Path) -> String {
    let folder = Path::new(store).parent().filter(|folder| folder.is_absolute());
    folder.map_or_else(String::new, |folder| {
        let named = |name: &str| (name == "CLAUDE_CONFIG_DIR").then(|| folder.as_os_str().to_owned());
        variables(&StorageFolder::from_env(&named, home), home, false)
    })
}

/// The assignments that go before the command; none for the folder that Claude Code uses without any. A Keychain item has another name as soon
/// as a variable names the folder, be it the usual one.
fn variables(folder: &StorageFolder, home: &Path, in_keychain: bool) -> String {
    let usual = StorageFolder::from_env(&|_| None, home);
    let named = in_keychain && folder.keychain_service() != usual.keychain_service();
    let assigned = |name: &str, path: &Path| format!("{name}={} ", quoted(&path.display().to_string()));
    let (storage, config): (&Path, PathBuf) = (folder.path(), folder.config_folder().to_owned());
    match storage == config {
        true if storage == usual.path() && !named => String::new(),
        true => assigned("CLAUDE_CONFIG_DIR", storage),
        false if config == usual.config_folder() => assigned("CLAUDE_SECURESTORAGE_CONFIG_DIR", storage),
        false => {
            let config = assigned("CLAUDE_CONFIG_DIR", &config);
            config + &assigned("CLAUDE_SECURESTORAGE_CONFIG_DIR", storage)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    const HOME: &str = "/home/me";

    fn folder(set: &[(&str, &str)]) -> StorageFolder {
        let env =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        StorageFolder::from_env(&env, Path::new(HOME))
    }

    fn in_file(set: &[(&str, &str)]) -> String {
        variables(&folder(set), Path::new(HOME), false)
    }

    #[test]
    fn only_a_folder_that_claude_code_does_not_use_by_itself_is_named() {
        assert_eq!(in_file(&[]), "");
        assert_eq!(in_file(&[("CLAUDE_CONFIG_DIR", "/home/me/.claude")]), "");
        assert_eq!(in_file(&[("CLAUDE_CONFIG_DIR", "/srv/work")]), "CLAUDE_CONFIG_DIR=/srv/work ");
        assert_eq!(
            in_file(&[("CLAUDE_CONFIG_DIR", "/srv/my 'work'")]),
            r"CLAUDE_CONFIG_DIR='/srv/my '\''work'\''' "
        );
        let secure = ("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/secure");
        assert_eq!(in_file(&[secure]), "CLAUDE_SECURESTORAGE_CONFIG_DIR=/secure ");
        assert_eq!(
            in_file(&[secure, ("CLAUDE_CONFIG_DIR", "/srv/work")]),
            "CLAUDE_CONFIG_DIR=/srv/work CLAUDE_SECURESTORAGE_CONFIG_DIR=/secure "
        );
    }

    #[test]
    fn a_keychain_item_is_named_by_the_folder_that_gave_it_its_name() {
        let home = Path::new(HOME);
        assert_eq!(variables(&folder(&[]), home, true), "");
        let usual = folder(&[("CLAUDE_CONFIG_DIR", "/home/me/.claude")]);
        assert_eq!(variables(&usual, home, true), "CLAUDE_CONFIG_DIR=/home/me/.claude ");
        let location = "keychain:Claude Code-credentials-89de82ef (account me)";
        remember(location, &folder(&[("CLAUDE_CONFIG_DIR", "/srv/c")]), home);
        assert_eq!(claude_mcp("login", "lab", location), "CLAUDE_CONFIG_DIR=/srv/c claude mcp login lab");
    }

    #[test]
    fn a_store_that_another_process_opened_is_known_by_its_path() {
        let of = |store: &str| by_path(store, Path::new(HOME));
        assert_eq!(of("/home/me/.claude/.credentials.json"), "");
        assert_eq!(of("/srv/work/.credentials.json"), "CLAUDE_CONFIG_DIR=/srv/work ");
        assert_eq!(of("keychain:Claude Code-credentials (account me)"), "");
        assert_eq!(of(""), "");
    }
}
