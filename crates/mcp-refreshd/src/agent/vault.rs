//! The vault: the grants that only this program holds, as one more store of the engine.
//!
//! It is a document like Claude Code's own, with the same locks and the same durability, so that everything that keeps a grant in
//! Claude Code's store keeps it here. Any process of this user may change it by those rules; a running agent notices.

pub(crate) mod late;
pub(crate) mod ledger;
pub(crate) mod moving;

use crate::agent::folders::folder_trouble;
use crate::agent::stores::storage_folders;
use crate::platform::files;
use crate::platform::process::user_id;
use crate::settings::config::Config;
use crate::settings::paths::{FolderError, Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::{remedy, shell};
use claude_store::{
    AnyStore, Change, Document, DocumentError, Entry, EntryKey, FileStore, KeychainItem, KeyringStore,
    NoKeyring, OsFileSystem, RawEntry, ReadError, RewriteError, StorageFolder, Store, SystemKeyring,
    WriteError, rewrite,
};
use ledger::{Ledger, LedgerError, Place};
use std::path::PathBuf;

/// The vault's folder in the state folder.
const FOLDER: &str = "vault";

/// The vault's store, and the folder of its locks.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) store: AnyStore,
    pub(crate) folder: StorageFolder,
}

/// Why the vault cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{error}; type: {command}")]
    Closed { error: LedgerError, command: String },
    #[error("the vault cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("the vault {location} is damaged: {source}")]
    Document { location: String, source: DocumentError },
    #[error("the vault cannot be written: {0}")]
    Rewrite(#[from] RewriteError),
    #[error("the vault is in a keyring, and {0}")]
    NoKeyring(NoKeyring),
    #[error("the vault cannot be created: {0}")]
    Create(#[from] WriteError),
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

/// The folder of the vault.
pub(crate) fn folder(paths: &Paths) -> PathBuf {
    paths.state.join(FOLDER)
}

impl Vault {
    /// The vault of this user; `None` if there is none yet. The place that was chosen when it was created is kept: another one would
    /// be an empty vault.
    ///
    /// # Errors
    /// Its ledger cannot be read.
    pub(crate) fn open(config: &Config, paths: &Paths) -> Result<Option<Self>, VaultError> {
        let ledger = Ledger::load(&folder(paths)).map_err(|error| opened_again(paths, error))?;
        ledger.place.map(|place| Self::at(&place, config, paths)).transpose()
    }

    /// The same, created if there is none.
    ///
    /// # Errors
    /// It can neither be opened nor created.
    pub(crate) async fn open_or_create(config: &Config, paths: &Paths) -> Result<Self, VaultError> {
        if let Some(vault) = Self::open(config, paths)? {
            return Ok(vault);
        }
        private_folder(&paths.state)?;
        private_folder(&folder(paths))?;
        let (place, vault) = match Self::in_keyring(config, paths).await {
            Some(vault) => vault,
            None => {
                let vault = Self::at(&Place::File, config, paths)?;
                if let AnyStore::File(file) = &vault.store {
                    file.create().await?;
                }
                (Place::File, vault)
            }
        };
        // Noted last: a vault that is noted exists.
        let mut ledger = Ledger::load(&folder(paths))?;
        ledger.place = Some(place);
        ledger.save(&folder(paths))?;
        Ok(vault)
    }

    /// A new vault in the session's keyring; `None` where there is none, it is locked, or this build has no support for it.
    async fn in_keyring(config: &Config, paths: &Paths) -> Option<(Place, Self)> {
        let place = Place::Keyring {
            kind: SystemKeyring::NAME.to_owned(),
            service: "mcp-refreshd".to_owned(),
            // One for each state folder: two vaults must never share an item.
            account: format!("vault of {}", paths.state.display()),
        };
        let vault = Self::at(&place, config, paths).ok()?;
        let AnyStore::Keyring(keyring) = &vault.store else { return None };
        match keyring.create().await {
            Ok(()) => Some((place, vault)),
            Err(error) => {
                tracing::info!("the vault is a file: {error}");
                None
            }
        }
    }

    fn at(place: &Place, config: &Config, paths: &Paths) -> Result<Self, VaultError> {
        let storage = folder(paths);
        // Sessions, settings and needs-auth cache are those of the client.
        let client = storage_folders(config, paths).into_iter().next();
        let client = client.unwrap_or_else(|| StorageFolder::at(&storage, &paths.home));
        let folder = client.with_storage(storage);
        let store = match place {
            Place::File => AnyStore::File(FileStore::own(OsFileSystem, &folder)),
            Place::Keyring { kind, service, account } => {
                let keyring = SystemKeyring::named(kind).map_err(VaultError::NoKeyring)?;
                let item = KeychainItem::named(service, account);
                AnyStore::Keyring(Box::new(KeyringStore::own(keyring, item, OsFileSystem, &folder)))
            }
        };
        remedy::remember(store.location(), &folder);
        remedy::remember_vault(store.location());
        Ok(Self { store, folder })
    }

    /// Puts an entry into the vault, durably; one with the same key is replaced. A running agent keeps it fresh from its next look on. Must
    /// be called inside a [`LocalSet`](tokio::task::LocalSet).
    ///
    /// # Errors
    /// The vault was not changed.
    pub(crate) async fn put(&self, key: &EntryKey, entry: RawEntry) -> Result<(), VaultError> {
        put(&self.store, key, &entry).await?;
        Ok(())
    }

    /// The entries.
    ///
    /// # Errors
    /// It cannot be read now; that says nothing about what it holds.
    pub(crate) async fn list(&self) -> Result<Vec<Entry>, VaultError> {
        let snapshot = self.store.read().await?;
        let document = snapshot
            .document()
            .map_err(|source| VaultError::Document { location: self.store.location().to_owned(), source })?;
        Ok(document.into_entries().collect())
    }
}

/// Puts an entry into a store, whatever stands under its key.
async fn put(store: &AnyStore, key: &EntryKey, entry: &RawEntry) -> Result<(), RewriteError> {
    let written = rewrite(store, |document: &Document<'_>| {
        let change = match document.raw_entry(key) {
            Some(there) if there == entry.expose() => return Vec::new(),
            Some(_) => Change::Restore { members: entry.clone() },
            None => Change::Reinsert { raw: entry.clone() },
        };
        vec![(key.clone(), change)]
    });
    // Either way it is there.
    let _ = written.await?;
    Ok(())
}

/// Removes an entry, if it is there.
async fn remove(store: &AnyStore, key: &EntryKey) -> Result<(), RewriteError> {
    let written = rewrite(store, |document: &Document<'_>| {
        document.raw_entry(key).map(|_| (key.clone(), Change::Remove)).into_iter().collect()
    });
    let _ = written.await?;
    Ok(())
}

#[cfg(test)]
mod tests;

/// The error of a ledger that is closed to this user, with what opens it.
fn opened_again(paths: &Paths, error: LedgerError) -> VaultError {
    if !error.is_denied() {
        return error.into();
    }
    let vault = folder(paths);
    let foreign = [&paths.state, &vault].into_iter().find_map(|path| {
        let owner = files::owner(&std::fs::metadata(path).ok()?);
        (owner != user_id()).then(|| FolderError::NotOurs { path: path.clone(), owner })
    });
    if let Some(foreign) = foreign {
        return foreign.into();
    }
    let (ledger, us) = (Ledger::file_in(&vault), user_id());
    let command = match std::fs::metadata(&ledger).map(|metadata| files::owner(&metadata)) {
        Ok(owner) if owner == us => {
            Some(format!("chmod 600 {}", shell::quoted(&ledger.display().to_string())))
        }
        Ok(_) => Some(remedy::give_to(us, &[&ledger])),
        Err(_) => folder_trouble(&vault).and_then(|trouble| trouble.command()),
    };
    match command {
        Some(command) => VaultError::Closed { error, command },
        None => error.into(),
    }
}
