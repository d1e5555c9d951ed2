use crate::file_store::StagedFile;
use crate::{
    FileStore, FileSystem, KeychainStore, Locks, OsFileSystem, OsSecurity, Published, ReadError,
    SecurityTool, Snapshot, StagedItem, StorageLock, Store, Version, WriteError,
};
use std::time::Duration;

/// A store of any kind, chosen at run time.
#[derive(Debug)]
pub enum AnyStore<F: FileSystem = OsFileSystem, T: SecurityTool = OsSecurity> {
    /// A file.
    File(FileStore<F>),
    /// An item of a Keychain, by the system's own tool.
    Keychain(Box<KeychainStore<F, T>>),
}

/// What [`AnyStore::stage`] gives.
#[must_use = "a staged document is visible only after it was published"]
pub enum AnyStaged<F: FileSystem> {
    /// For a [`FileStore`].
    File(StagedFile<F>),
    /// For a [`KeychainStore`].
    Keychain(StagedItem),
}

impl<F: FileSystem, T: SecurityTool> Store for AnyStore<F, T> {
    type Files = F;
    type Staged = AnyStaged<F>;

    fn location(&self) -> &str {
        match self {
            Self::File(store) => store.location(),
            Self::Keychain(store) => store.location(),
        }
    }

    fn locks(&self) -> &Locks<F> {
        match self {
            Self::File(store) => store.locks(),
            Self::Keychain(store) => store.locks(),
        }
    }

    fn look_again_in(&self) -> Option<Duration> {
        match self {
            Self::File(store) => store.look_again_in(),
            Self::Keychain(store) => store.look_again_in(),
        }
    }

    async fn version(&self) -> Result<Version, ReadError> {
        match self {
            Self::File(store) => store.version().await,
            Self::Keychain(store) => store.version().await,
        }
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        match self {
            Self::File(store) => store.read().await,
            Self::Keychain(store) => store.read().await,
        }
    }

    async fn reserve(&self, size: usize) -> Result<(), WriteError> {
        match self {
            Self::File(store) => store.reserve(size).await,
            Self::Keychain(store) => store.reserve(size).await,
        }
    }

    fn release_reservation(&self) {
        match self {
            Self::File(store) => store.release_reservation(),
            Self::Keychain(store) => store.release_reservation(),
        }
    }

    async fn stage(&self, document: &[u8]) -> Result<AnyStaged<F>, WriteError> {
        Ok(match self {
            Self::File(store) => AnyStaged::File(store.stage(document).await?),
            Self::Keychain(store) => AnyStaged::Keychain(store.stage(document).await?),
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
            (Self::Keychain(store), AnyStaged::Keychain(staged)) => store.publish(guard, read, staged).await,
            // Made by another store: nothing of it belongs here.
            (Self::File(_), AnyStaged::Keychain(_)) | (Self::Keychain(_), AnyStaged::File(_)) => {
                Ok(Published::Changed)
            }
        }
    }

    async fn settle(&self) -> Result<(), WriteError> {
        match self {
            Self::File(store) => store.settle().await,
            Self::Keychain(store) => store.settle().await,
        }
    }
}
