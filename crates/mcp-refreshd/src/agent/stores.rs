//! Where the document of each storage folder is: in its file or in a Keychain item.

use crate::platform::CLIENT_MAY_USE_CREDENTIAL_MANAGER;
use crate::settings::config::{Config, KeychainReach, ListedStore};
use crate::settings::credential_manager::CredentialManager;
use crate::settings::paths::Paths;
use crate::terminal::remedy;
use claude_store::{
    AnyStore, Choice, FileStore, GuardedStore, Holding, KeychainItem, KeychainStore, KeyringStore,
    OsFileSystem, OsSecurity, StorageFolder, Store, StoreKind, Why, choose_store,
};
use compact::Set;
use std::ffi::OsString;

/// Both places of one folder, and which is used. Chosen once per run: there is no fallback to the other later.
pub(crate) struct Opened {
    pub(crate) store: AnyStore,
    /// The other place and the reason for the choice, if a Keychain is used at all.
    pub(crate) other: Option<Other>,
}

/// The place that is not used.
pub(crate) struct Other {
    pub(crate) choice: Choice,
    pub(crate) location: String,
    /// The file's content.
    pub(crate) of_file: Holding,
}

/// The storage folders that the configuration names, else the one that Claude Code itself uses. A document that is reached
/// twice, through a link for example, gets one keeper: two would race for the same tokens.
pub(crate) fn storage_folders(config: &Config, paths: &Paths) -> Vec<StorageFolder> {
    storage_folders_in(&|name| std::env::var_os(name), config, paths)
}

/// The same for a process with this environment.
pub(crate) fn storage_folders_in(
    env: &dyn Fn(&str) -> Option<OsString>,
    config: &Config,
    paths: &Paths,
) -> Vec<StorageFolder> {
    let default = [ListedStore::Default];
    let listed = config.stores.as_deref().unwrap_or(&default);
    let folder = |store: &ListedStore| match store {
        ListedStore::Default => StorageFolder::from_env(env, &paths.home),
        ListedStore::Folder(path) => StorageFolder::listed(path, env, &paths.home),
    };
    let mut folders: Vec<_> = listed.iter().map(folder).collect();
    let mut known = Set::new();
    folders.retain(|folder| {
        let document = folder.credentials_path();
        // A folder that does not exist yet goes by its name until the next start.
        known.insert(document.canonicalize().unwrap_or(document))
    });
    folders
}

/// Opens the store of a folder. `owed` says whether the journal holds a pair for a location.
pub(crate) async fn open(
    config: &Config,
    paths: &Paths,
    folder: &StorageFolder,
    owed: &dyn Fn(&str) -> bool,
) -> Opened {
    let file = FileStore::new(OsFileSystem, folder);
    remedy::remember(file.location(), folder);
    if CLIENT_MAY_USE_CREDENTIAL_MANAGER {
        let watched = CredentialManager::of(folder);
        let guarded = GuardedStore::new(file, Box::new(move || watched.in_use()));
        return Opened { store: AnyStore::Guarded(Box::new(guarded)), other: None };
    }
    let Some(keychain) = keychain(config, paths, folder) else {
        return Opened { store: AnyStore::File(file), other: None };
    };
    remedy::remember(keychain.location(), folder);
    let of_item = Holding::of(&keychain.read().await);
    let of_file = Holding::of(&file.read().await);
    let owed_to = match (owed(keychain.location()), owed(file.location())) {
        (true, _) => Some(StoreKind::Keychain),
        (false, true) => Some(StoreKind::File),
        (false, false) => None,
    };
    let choice = choose_store(&of_item, &of_file, owed_to);
    let (store, location) = match choice.kind {
        StoreKind::Keychain => (keychain, file.location().to_owned()),
        StoreKind::File => (AnyStore::File(file), keychain.location().to_owned()),
    };
    Opened { store, other: Some(Other { choice, location, of_file }) }
}

/// The store in a folder's Keychain item, if the configuration enables Keychains.
fn keychain(config: &Config, paths: &Paths, folder: &StorageFolder) -> Option<AnyStore> {
    let item = item(paths, folder);
    Some(match config.keychain.reach {
        KeychainReach::Off => return None,
        KeychainReach::Security => AnyStore::Keychain(Box::new(KeychainStore::new(
            OsFileSystem,
            security(),
            folder,
            item,
            config.keychain.large_items,
        ))),
        KeychainReach::Keyring(keyring) => {
            AnyStore::Keyring(Box::new(KeyringStore::new(keyring, item, OsFileSystem, folder)))
        }
    })
}

/// The store in a folder's Keychain item, reached through the system's own tool, if the configuration asks for that.
pub(crate) fn by_security(config: &Config, paths: &Paths, folder: &StorageFolder) -> Option<KeychainStore> {
    let item = item(paths, folder);
    (config.keychain.reach == KeychainReach::Security)
        .then(|| KeychainStore::new(OsFileSystem, security(), folder, item, config.keychain.large_items))
}

/// Where a folder's document is if it is not in its file.
pub(crate) fn location_of_item(config: &Config, paths: &Paths, folder: &StorageFolder) -> Option<String> {
    keychain(config, paths, folder).map(|store| store.location().to_owned())
}

/// The Keychain item of a folder.
pub(crate) fn item(paths: &Paths, folder: &StorageFolder) -> KeychainItem {
    KeychainItem::of(folder, &|name| std::env::var_os(name), &paths.home)
}

/// The tool that reaches the Keychain. No setting changes it; only test builds have a variable for a stand-in.
pub(crate) fn security() -> OsSecurity {
    #[cfg(debug_assertions)]
    if let Some(stand_in) = std::env::var_os("MCP_REFRESHD_TEST_SECURITY") {
        return OsSecurity::stand_in(stand_in);
    }
    OsSecurity::new()
}

impl Opened {
    /// Logs which store was chosen, if there was a choice.
    pub(crate) fn tell(&self) {
        let Some(Other { choice, location: other, .. }) = &self.other else { return };
        let used = self.store.location();
        match choice.why {
            Why::Alone => tracing::debug!("using {used}; there is no {other}"),
            Why::Same => tracing::info!("using {used}; {other} holds the same logins"),
            Why::OtherIsEmpty => {
                tracing::info!("using {used}; {other} holds nothing that can be refreshed")
            }
            Why::Owed => tracing::info!("using {used}: the journal holds a new token that belongs there"),
            Why::Unreadable => {
                tracing::warn!("using {used}, though it cannot be read now; leaving {other} alone")
            }
            Why::Later => tracing::warn!(
                "{used} and {other} hold different logins; using {used}, since its tokens expire later, and leaving {other} alone: \
                 see `mcp-refreshd doctor`"
            ),
        }
    }
}
