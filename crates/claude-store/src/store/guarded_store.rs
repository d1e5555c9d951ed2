use crate::store::file_store::StagedFile;
use crate::{
    FileStore, FileSystem, Locks, Published, ReadError, Snapshot, StorageLock, Store, Version, WriteError,
};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Says why the client does not use the file; `None` if it does.
pub type Guard = Box<dyn Fn() -> Option<String>>;

/// A document's file that the client may have left for another store at any time: what is in the file then are old logins, whose refresh
/// tokens may be spent. The file is only read while the client uses it, so that no request is made with such a token.
pub struct GuardedStore<F: FileSystem> {
    file: FileStore<F>,
    guard: Guard,
}

impl<F: FileSystem> fmt::Debug for GuardedStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStore").field("file", &self.file).finish_non_exhaustive()
    }
}

impl<F: FileSystem> GuardedStore<F> {
    /// The file, and who says whether the client uses it.
    pub fn new(file: FileStore<F>, guard: Guard) -> Self {
        Self { file, guard }
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &FileStore<F> {
        &self.file
    }

    fn in_use(&self) -> Result<(), ReadError> {
        match (self.guard)() {
            Some(why) => Err(ReadError::Unused { path: PathBuf::from(self.file.location()), why }),
            None => Ok(()),
        }
    }
}

impl<F: FileSystem> Store for GuardedStore<F> {
    type Files = F;
    type Staged = StagedFile<F>;

    fn location(&self) -> &str {
        self.file.location()
    }

    fn locks(&self) -> &Locks<F> {
        self.file.locks()
    }

    fn look_again_in(&self) -> Option<Duration> {
        self.file.look_again_in()
    }

    async fn version(&self) -> Result<Version, ReadError> {
        self.in_use()?;
        self.file.version().await
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        self.in_use()?;
        self.file.read().await
    }

    async fn reserve(&self, size: usize) -> Result<(), WriteError> {
        self.in_use()?;
        self.file.reserve(size).await
    }

    fn refill_reservation(&self) {
        self.file.refill_reservation();
    }

    fn release_reservation(&self) {
        self.file.release_reservation();
    }

    async fn stage(&self, document: &[u8]) -> Result<StagedFile<F>, WriteError> {
        self.file.stage(document).await
    }

    async fn publish(
        &self,
        guard: &StorageLock<F>,
        read: &Snapshot,
        staged: StagedFile<F>,
    ) -> Result<Published, WriteError> {
        self.file.publish(guard, read, staged).await
    }

    async fn settle(&self) -> Result<(), WriteError> {
        self.file.settle().await
    }
}
