use super::StoreFacts;
use crate::agent::config_check::{names_servers, remarks_beside};
use crate::agent::stores::storage_folders;
use crate::control::report::Status;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use claude_store::{OsFileSystem, ServerConfigs, StorageFolder};

/// What the configuration names without effect. Claude Code's configuration holds its histories, and was read with its store.
pub(super) fn remarks(config: &Config, paths: &Paths, stores: &[StoreFacts], status: &Status) -> Vec<String> {
    let read = |folder: &StorageFolder| stores.iter().find(|store| store.folder.path() == folder.path());
    // Those of stores that the running agent does not keep.
    let folders = storage_folders(config, paths);
    // In a folder that does not exist nothing is known.
    let there = |folder: &StorageFolder| folder.path().exists();
    let others =
        folders.iter().filter(|folder| names_servers(config) && there(folder) && read(folder).is_none());
    let others: Vec<_> = others.map(|folder| ServerConfigs::known(&OsFileSystem, folder)).collect();
    let configured = stores
        .iter()
        .filter(|store| there(&store.folder))
        .map(|store| store.configs.as_ref())
        .chain(others.iter().map(Option::as_ref));
    remarks_beside(config, &configured.collect::<Vec<_>>(), status)
}
