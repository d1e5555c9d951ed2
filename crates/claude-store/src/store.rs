pub(crate) mod any_store;
pub(crate) mod choice;
pub(crate) mod error;
pub(crate) mod file_store;
pub(crate) mod folder_watch;
pub(crate) mod keychain_store;
pub(crate) mod keyring_store;

use crate::{
    Incomplete, Stamp,
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

/// One place that holds Claude Code's document, and the only way to change it there.
///
/// A change goes in four steps, so that the storage lock is held for none of the slow ones:
/// [`reserve`](Self::reserve) (before anything is sent), [`stage`](Self::stage) (the new document durable beside the old one),
/// [`publish`](Self::publish) (under the storage lock: still as read? then swap), [`settle`](Self::settle) (the swap itself
/// durable).
pub trait Store: 'static {
    /// The file system that the locks and the needs-auth cache live on.
    type Files: crate::FileSystem;
    /// A new document, durable and not visible yet. Dropping it removes it.
    type Staged: 'static;

    /// Where the document is, for people: a path or the name of a Keychain item.
    fn location(&self) -> &str;

    /// The locks of the storage folder this document belongs to.
    fn locks(&self) -> &Locks<Self::Files>;

    /// When to look at the version again, where nothing tells that the document changed. `None` where a
    /// [`FolderWatch`](crate::FolderWatch) does.
    fn look_again_in(&self) -> Option<Duration> {
        None
    }

    /// Something cheap that is different whenever the document may be.
    fn version(&self) -> impl Future<Output = Result<Version, ReadError>>;

    /// Reads the document.
    fn read(&self) -> impl Future<Output = Result<Snapshot, ReadError>>;

    /// Makes sure that a document of up to `size` bytes can be stored: fails now rather than after the request.
    fn reserve(&self, size: usize) -> impl Future<Output = Result<(), WriteError>>;

    /// Gives the reserved room back. To be called when no transaction is under way.
    fn release_reservation(&self);

    /// Writes the new document where nobody reads it yet, and waits until it is durable.
    fn stage(&self, document: &[u8]) -> impl Future<Output = Result<Self::Staged, WriteError>>;

    /// Swaps the staged document in if the stored one still has the bytes of `read`. The guard proves that the caller owns the
    /// storage lock; it is checked once more right before the swap.
    fn publish(
        &self,
        guard: &StorageLock<Self::Files>,
        read: &Snapshot,
        staged: Self::Staged,
    ) -> impl Future<Output = Result<Published, WriteError>>;

    /// Waits until a published document survives a power cut.
    fn settle(&self) -> impl Future<Output = Result<(), WriteError>>;
}

/// How [`Store::publish`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a document that changed meanwhile was not replaced: read it again and decide anew"]
pub enum Published {
    /// The new document is visible.
    Swapped,
    /// Somebody else changed the document since it was read; nothing was written.
    Changed,
}

/// Different whenever the document may have changed; equal means that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The document's file.
    File(Stamp),
    /// The document's item in a Keychain.
    Item(ItemVersion),
    /// There is no document.
    Absent,
}

/// A Keychain item as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemVersion {
    /// Its modification date, in whatever form the store has it.
    pub modified: u64,
    /// 0 where the date says it all; another number each time where it may not: it counts whole seconds, and the item may be
    /// written once more within the second.
    pub doubt: u64,
}

/// The document's bytes as they were read once.
#[derive(Clone)]
pub struct Snapshot {
    bytes: SecretBytes,
    version: Version,
    /// The items that the document was put together of, where it is in two.
    split: Option<Arc<Split>>,
    incomplete: Option<Incomplete>,
}

impl Snapshot {
    /// Bytes read at one moment, and the version they belong to.
    #[must_use]
    pub fn new(bytes: SecretBytes, version: Version) -> Self {
        Self { bytes, version, split: None, incomplete: None }
    }

    /// The same, put together of two items.
    pub(crate) fn of_two(bytes: SecretBytes, version: Version, split: Split) -> Self {
        Self { split: Some(Arc::new(split)), ..Self::new(bytes, version) }
    }

    /// The same, of which is known why it is not whole.
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

    /// The bytes as a document.
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
