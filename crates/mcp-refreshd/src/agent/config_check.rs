//! Finds settings that are valid but have no effect on this machine: a missing store, an unknown server.

use crate::control::report::Status;
use crate::settings::config::{Config, ListedStore};
use crate::terminal::suggest::nearest;
use crate::terminal::wording::{quoted, visible};
use claude_store::{OsFileSystem, ServerConfigs, StorageFolder};
use compact::Set;
use std::path::{Path, PathBuf};

/// The end of what is said of a store that does not exist yet.
pub(crate) const COMES_LATER: &str = "the agent will watch it once it exists";

/// Checks the configuration against the disk and the stores. Returns one sentence per finding.
pub(crate) async fn remarks(config: &Config, folders: Vec<StorageFolder>, status: &Status) -> Vec<String> {
    // The client keeps its histories in one of these files: reading it may take seconds.
    // In a folder that does not exist nothing is known.
    let there = move |folder: &&StorageFolder| folder.path().exists();
    let read = move || {
        folders.iter().filter(there).map(|folder| ServerConfigs::known(&OsFileSystem, folder)).collect()
    };
    let configured: Vec<_> = match names_servers(config) {
        true => tokio::task::spawn_blocking(read).await.unwrap_or_default(),
        false => Vec::new(),
    };
    remarks_beside(config, &configured.iter().map(Option::as_ref).collect::<Vec<_>>(), status)
}

/// Whether the servers that Claude Code knows matter.
pub(crate) fn names_servers(config: &Config) -> bool {
    !config.policy.servers.is_empty() || config.token_socket.is_some()
}

/// The same for a command that has read Claude Code's configurations itself.
pub(crate) fn remarks_beside(
    config: &Config,
    configured: &[Option<&ServerConfigs>],
    status: &Status,
) -> Vec<String> {
    let mut remarks = stores(config);
    if !names_servers(config) {
        return remarks;
    }
    let mut names: Set<String> = status.stores.iter().flat_map(names_in).collect();
    let readable = status.stores.iter().all(|store| store.absent || store.unreadable.is_none());
    // If something cannot be read, or nothing exists yet, any name may be right.
    if readable && !configured.is_empty() && configured.iter().all(Option::is_some) {
        names.extend(configured.iter().flatten().flat_map(|configs| configs.names().map(str::to_owned)));
        remarks.extend(servers(config, &names));
    }
    remarks
}

fn names_in(store: &crate::control::report::StoreStatus) -> impl Iterator<Item = String> {
    let entries = store.entries.iter().map(|entry| entry.name.clone());
    entries.chain(store.odd.iter().map(|(name, _)| name.clone())).chain(store.vanished.iter().cloned())
}

/// What the configuration lists as a store and is a file.
pub(crate) fn listed_files(config: &Config) -> Vec<PathBuf> {
    let folders = config.stores.iter().flatten().filter_map(|store| match store {
        ListedStore::Default => None,
        ListedStore::Folder(folder) => Some(folder),
    });
    folders.filter(|folder| folder.is_file()).cloned().collect()
}

fn stores(config: &Config) -> Vec<String> {
    config
        .stores
        .iter()
        .flatten()
        .filter_map(|store| match store {
            ListedStore::Default => None,
            ListedStore::Folder(folder) => store_remark(folder),
        })
        .collect()
}

fn store_remark(folder: &Path) -> Option<String> {
    let shown = visible(&folder.display().to_string());
    match std::fs::metadata(folder) {
        Ok(there) if there.is_dir() => None,
        Ok(_) => Some(match (folder.ends_with(".credentials.json"), folder.parent()) {
            (true, Some(parent)) => {
                format!(
                    "`stores` lists {shown}, a file; list its folder instead: {}",
                    visible(&parent.display().to_string())
                )
            }
            _ => format!("`stores` lists {shown}, which is not a folder"),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let near = nearest_folder(folder)
                .map_or_else(|| COMES_LATER.to_owned(), |near| format!("did you mean {}?", visible(&near)));
            Some(format!("`stores` lists {shown}, which does not exist; {near}"))
        }
        // Opening the store reports anything else that is wrong with it.
        Err(_) => None,
    }
}

/// The sibling folder with the most similar name.
fn nearest_folder(folder: &Path) -> Option<String> {
    let (parent, name) = (folder.parent()?, folder.file_name()?.to_str()?);
    let folders = std::fs::read_dir(parent).ok()?.flatten().filter(|entry| entry.path().is_dir());
    let names: Vec<_> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(parent.join(near).display().to_string())
}

/// Configured servers that have no login and that Claude Code does not know.
fn servers(config: &Config, known: &Set<String>) -> Vec<String> {
    let handed_out = config.token_socket.iter().flat_map(|socket| &socket.servers);
    let unknown = config.policy.servers.keys().chain(handed_out).filter(|name| !known.contains(*name));
    unknown
        .map(|name| {
            let hint = nearest(name, known.iter().map(String::as_str))
                .map_or_else(String::new, |near| format!("; did you mean {}?", quoted(near)));
            format!(
                "the configuration names the server {}, which Claude Code does not have{hint}",
                quoted(name)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use std::fs;

    fn parsed(text: &str, home: &Path) -> Config {
        Config::parse(text, Path::new("/c"), home).unwrap()
    }

    #[cfg(unix)] // Its paths are those of Unix.
    #[test]
    fn a_missing_or_misspelt_store_is_reported_with_a_suggestion() {
        let home = tempfile::tempdir().unwrap();
        for folder in [".claude", ".claude-work"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        fs::write(home.path().join(".claude/.credentials.json"), "{}").unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let of = |store: &str| {
            let remarks = stores(&parsed(&format!("stores = [\"{store}\"]"), home.path()));
            remarks.join("\n").replace(home.path().to_str().unwrap(), "~")
        };
        assert_eq!(of("~/.claude"), "");
        assert_eq!(of("default"), "");
        assert_eq!(
            of("~/.claude/.credentials.json"),
            "`stores` lists ~/.claude/.credentials.json, a file; list its folder instead: ~/.claude"
        );
        assert_eq!(of("~/file"), "`stores` lists ~/file, which is not a folder");
        assert_eq!(
            of("~/.claude-wrok"),
            "`stores` lists ~/.claude-wrok, which does not exist; did you mean ~/.claude-work?"
        );
        assert_eq!(
            of("~/elsewhere"),
            "`stores` lists ~/elsewhere, which does not exist; the agent will watch it once it exists"
        );
    }

    #[test]
    fn an_unknown_server_is_reported_with_a_suggestion() {
        let config = parsed("[servers.slak]\nignore = true\n[servers.lab]\nignore = true\n", Path::new("/"));
        let known = Set::from(["slack".to_owned(), "lab".to_owned()]);
        assert_eq!(
            servers(&config, &known),
            ["the configuration names the server slak, which Claude Code does not have; did you mean slack?"]
        );
    }
}
