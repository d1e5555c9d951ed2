use crate::store::file_store::StagedFile;
use crate::{
    FileStore, FileSystem, GuardedStore, KeychainStore, KeyringStore, Locks, OsFileSystem, OsSecurity,
    Ownership, Published, ReadError, SecurityTool, Snapshot, StagedItem, StagedSecret, StorageLock, Store,
    SystemKeyring, Version, WriteError,
};
use std::time::Duration;

/// A store of any kind, chosen at run time.
#[derive(Debug)]
pub enum AnyStore<F: FileSystem = OsFileSystem, T: SecurityTool = OsSecurity> {
    /// A file.
    File(FileStore<F>),
    /// A file that the client may leave for another store.
    Guarded(Box<GuardedStore<F>>),
    /// A Keychain item, accessed with `/usr/bin/security`.
    Keychain(Box<KeychainStore<F, T>>),
    /// An item of the system keyring, accessed with its own library.
    Keyring(Box<KeyringStore<SystemKeyring, F>>),
}

/// The result of [`AnyStore::stage`].
#[must_use = "a staged document is not visible until it is published"]
pub enum AnyStaged<F: FileSystem> {
    /// For a [`FileStore`], guarded or not.
    File(StagedFile<F>),
    /// For a [`KeychainStore`].
    Keychain(StagedItem),
    /// For a [`KeyringStore`].
    Keyring(StagedSecret),
}

impl<F: FileSystem, T: SecurityTool> Store for AnyStore<F, T> {
    type Files = F;
    type Staged = AnyStaged<F>;

    fn location(&self) -> &str {
        match self {
            Self::File(store) => store.location(),
            Self::Guarded(store) => store.location(),
            Self::Keychain(store) => store.location(),
            Self::Keyring(store) => store.location(),
        }
    }

    fn locks(&self) -> &Locks<F> {
        match self {
            Self::File(store) => store.locks(),
            Self::Guarded(store) => store.locks(),
            Self::Keychain(store) => store.locks(),
            Self::Keyring(store) => store.locks(),
        }
    }

    fn ownership(&self) -> Ownership {
        match self {
            Self::File(store) => store.ownership(),
            Self::Guarded(store) => store.ownership(),
            Self::Keychain(store) => store.ownership(),
            Self::Keyring(store) => store.ownership(),
        }
    }

    fn look_again_in(&self) -> Option<Duration> {
        match self {
            Self::File(store) => store.look_again_in(),
            Self::Guarded(store) => store.look_again_in(),
            Self::Keychain(store) => store.look_again_in(),
            Self::Keyring(store) => store.look_again_in(),
        }
    }

    async fn version(&self) -> Result<Version, ReadError> {
        match self {
            Self::File(store) => store.version().await,
            Self::Guarded(store) => store.version().await,
            Self::Keychain(store) => store.version().await,
            Self::Keyring(store) => store.version().await,
        }
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        match self {
            Self::File(store) => store.read().await,
            Self::Guarded(store) => store.read().await,
            Self::Keychain(store) => store.read().await,
            Self::Keyring(store) => store.read().await,
        }
    }

    async fn reserve(&self, size: usize) -> Result<(), WriteError> {
        match self {
            Self::File(store) => store.reserve(size).await,
            Self::Guarded(store) => store.reserve(size).await,
            Self::Keychain(store) => store.reserve(size).await,
            Self::Keyring(store) => store.reserve(size).await,
        }
    }

    fn refill_reservation(&self) {
        match self {
            Self::File(store) => store.refill_reservation(),
            Self::Guarded(store) => store.refill_reservation(),
            Self::Keychain(store) => store.refill_reservation(),
            Self::Keyring(store) => store.refill_reservation(),
        }
    }

    fn release_reservation(&self) {
        match self {
            Self::File(store) => store.release_reservation(),
            Self::Guarded(store) => store.release_reservation(),
            Self::Keychain(store) => store.release_reservation(),
            Self::Keyring(store) => store.release_reservation(),
        }
    }

    async fn stage(&self, document: &[u8]) -> Result<AnyStaged<F>, WriteError> {
        Ok(match self {
            Self::File(store) => AnyStaged::File(store.stage(document).await?),
            Self::Guarded(store) => AnyStaged::File(store.stage(document).await?),
            Self::Keychain(store) => AnyStaged::Keychain(store.stage(document).await?),
            Self::Keyring(store) => AnyStaged::Keyring(store.stage(document).await?),
        })
    }

    async fn publish(
        &self,
        guard: &StorageLock<F>,
        read: &Snapshot,
        staged: AnyStaged<F>,
    ) -> Result<Published, WriteError> {
        match (self, staged) {
            (Self::File(store), AnyStaged::File(staged)) => store.publish(guard, read, staged).await,
            (Self::Guarded(store), AnyStaged::File(staged)) => store.publish(guard, read, staged).await,
            (Self::Keychain(store), AnyStaged::Keychain(staged)) => store.publish(guard, read, staged).await,
            (Self::Keyring(store), AnyStaged::Keyring(staged)) => store.publish(guard, read, staged).await,
            // Staged by another store, so it does not belong here.
            (Self::File(_) | Self::Guarded(_) | Self::Keychain(_) | Self::Keyring(_), _) => {
                Ok(Published::Changed)
            }
        }
    }

    async fn settle(&self) -> Result<(), WriteError> {
        match self {
            Self::File(store) => store.settle().await,
            Self::Guarded(store) => store.settle().await,
            Self::Keychain(store) => store.settle().await,
            Self::Keyring(store) => store.settle().await,
        }
    }
}
