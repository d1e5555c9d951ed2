pub(crate) mod any_store;
pub(crate) mod choice;
pub(crate) mod error;
pub(crate) mod file_store;
pub(crate) mod folder_watch;
pub(crate) mod guarded_store;
pub(crate) mod keychain_store;
pub(crate) mod keyring_store;
pub(crate) mod ownership;
pub(crate) mod rewrite;

use crate::{
    Incomplete, Ownership, Stamp,
    document::{Document, DocumentError},
    lock::{Locks, StorageLock},
    store::error::{ReadError, WriteError},
    store::keychain_store::Split,
};
use oauth_secret::SecretBytes;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A place that stores Claude Code's document, and the only way to change it there.
///
/// A change takes four steps, so that the storage lock is not held during the slow ones:
/// [`reserve`](Self::reserve) (before the request), [`stage`](Self::stage) (make the new document durable next to the old one),
/// [`publish`](Self::publish) (under the storage lock: unchanged since it was read? then swap), [`settle`](Self::settle) (make the
/// swap durable).
pub trait Store: 'static {
    /// The file system of the locks and the needs-auth cache.
    type Files: crate::FileSystem;
    /// A new document that is durable but not visible yet. Dropping it removes it.
    type Staged: 'static;

    /// The document's location for messages: a path or the name of a Keychain item.
    fn location(&self) -> &str;

    /// The locks of the document's storage folder.
    fn locks(&self) -> &Locks<Self::Files>;

    /// Who else writes the document.
    fn ownership(&self) -> Ownership {
        Ownership::Shared
    }

    /// When to check the version again if nothing reports changes. `None` if a [`FolderWatch`](crate::FolderWatch) does.
    fn look_again_in(&self) -> Option<Duration> {
        None
    }

    /// A cheap value that changes whenever the document may have changed.
    fn version(&self) -> impl Future<Output = Result<Version, ReadError>>;

    /// Reads the document.
    fn read(&self) -> impl Future<Output = Result<Snapshot, ReadError>>;

    /// Reserves room for a document of up to `size` bytes, to fail now rather than after the request.
    fn reserve(&self, size: usize) -> impl Future<Output = Result<(), WriteError>>;

    /// Reserves anew what a swap has used up. Call it while other transactions run that rely on reserved room; without it, they reserve
    /// their own or fail.
    fn refill_reservation(&self);

    /// Releases the reserved room. Call it when no transaction is running.
    fn release_reservation(&self);

    /// Writes the new document where nobody reads it yet, and makes it durable.
    fn stage(&self, document: &[u8]) -> impl Future<Output = Result<Self::Staged, WriteError>>;

    /// Replaces the stored document by the staged one if it still has the bytes of `read`. The guard proves that the caller holds
    /// the storage lock; it is checked again right before the swap.
    fn publish(
        &self,
        guard: &StorageLock<Self::Files>,
        read: &Snapshot,
        staged: Self::Staged,
    ) -> impl Future<Output = Result<Published, WriteError>>;

    /// Waits until a published document is durable.
    fn settle(&self) -> impl Future<Output = Result<(), WriteError>>;
}

/// The result of [`Store::publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a document that changed meanwhile was not replaced: read it again and decide anew"]
pub enum Published {
    /// The new document is visible.
    Swapped,
    /// Another process changed the document since it was read; nothing was written.
    Changed,
}

/// Differs whenever the document may have changed; equal values mean that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The document's file.
    File(Stamp),
    /// A Keychain item.
    Item(ItemVersion),
    /// The document does not exist.
    Absent,
}

/// A Keychain item at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemVersion {
    /// Its modification date, in the store's own format.
    pub modified: u64,
    /// 0 if the date is conclusive, else a new number each time: dates count whole seconds, and the item may be written again
    /// within the same second.
    pub doubt: u64,
}

/// The document's bytes as read.
#[derive(Clone)]
pub struct Snapshot {
    bytes: SecretBytes,
    version: Version,
    /// Both items of a split document.
    split: Option<Arc<Split>>,
    incomplete: Option<Incomplete>,
}

impl Snapshot {
    /// Bytes and the version they belong to.
    #[must_use]
    pub fn new(bytes: SecretBytes, version: Version) -> Self {
        Self { bytes, version, split: None, incomplete: None }
    }

    /// Like [`new`](Self::new), for a document merged from two items.
    pub(crate) fn of_two(bytes: SecretBytes, version: Version, split: Split) -> Self {
        Self { split: Some(Arc::new(split)), ..Self::new(bytes, version) }
    }

    /// Adds why the document is incomplete.
    pub(crate) fn with_incomplete(self, incomplete: Incomplete) -> Self {
        Self { incomplete: Some(incomplete), ..self }
    }

    pub(crate) fn split(&self) -> Option<&Split> {
        self.split.as_deref()
    }

    /// The document's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The version that was read.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Parses the bytes.
    ///
    /// # Errors
    /// Says where and why the bytes are not a document of Claude Code.
    pub fn document(&self) -> Result<Document<'_>, DocumentError> {
        Ok(Document::parse(&self.bytes)?.with_incomplete(self.incomplete.clone()))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("bytes", &self.bytes.len()).field("version", &self.version).finish()
    }
}
