mod error;
mod keyring;
mod visit;

pub use error::{KeyringError, NoKeyring};
pub use keyring::{FoundItem, Keyring};

use crate::store::keychain_store::poll_state::PollState;
use crate::{
    FileSystem, KeychainItem, Locks, OsFileSystem, Ownership, Published, ReadError, Snapshot, StorageFolder,
    StorageLock, Store, Version, WriteError,
};
use oauth_secret::SecretBytes;
use std::borrow::Borrow;
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;
use visit::{NoAnswer, Permit, Visits};

/// Time limit of a keyring visit. A visit that compares, writes and reads back happens under the storage lock, and a client waiting for
/// that lock gives up after 7.5 s and loses a token (measured).
const PATIENCE: Duration = Duration::from_secs(6);
/// A document without entries.
const EMPTY: &[u8] = br#"{"mcpOAuth":{}}"#;
const _: () = assert!(PATIENCE.as_millis() + visit::GRACE.as_millis() < 7_500);

/// The document in an item of the system keyring, accessed with its own library.
///
/// Each call runs in its own thread and is abandoned after 6 s: a keyring that hangs, or shows a dialog while nobody is there, costs
/// one thread and nothing else. Items are never deleted, and only one of our own is [created](Self::create); keyrings are never unlocked: that is up to the user. A locked
/// keyring is temporarily unreadable, never empty.
pub struct KeyringStore<K: Keyring, F: FileSystem = OsFileSystem> {
    keyring: K,
    item: KeychainItem,
    location: String,
    locks: Locks<F>,
    visits: Visits,
    patience: Duration,
    poll_state: RefCell<PollState>,
    ownership: Ownership,
}

/// A new document, held in memory: a keyring offers no place to stage it.
#[derive(Debug)]
pub struct StagedSecret(SecretBytes);

impl<K: Keyring, F: FileSystem> KeyringStore<K, F> {
    /// The store in this item, with locks and needs-auth cache in the storage folder. Does no I/O.
    #[must_use]
    pub fn new(keyring: K, item: KeychainItem, files: F, folder: impl Borrow<StorageFolder>) -> Self {
        Self {
            keyring,
            location: location::<K>(&item),
            item,
            locks: Locks::new(files, folder.borrow().path()),
            visits: Visits::default(),
            patience: PATIENCE,
            poll_state: RefCell::new(PollState::new()),
            ownership: Ownership::Shared,
        }
    }

    /// The same for an item that only this program writes.
    #[must_use]
    pub fn own(keyring: K, item: KeychainItem, files: F, folder: impl Borrow<StorageFolder>) -> Self {
        Self { ownership: Ownership::Own, ..Self::new(keyring, item, files, folder) }
    }

    /// Creates the item with an empty document, unless there is one.
    ///
    /// # Errors
    /// The keyring is locked or absent, or does not respond.
    pub async fn create(&self) -> Result<(), KeyringError> {
        let (keyring, item) = (self.keyring.clone(), self.item.clone());
        let location = || self.location.clone();
        let visit = self.visits.visit(self.patience, move |permit| {
            if !permit.may_write() {
                return Err(KeyringError::Busy { location: item.to_string() });
            }
            keyring.create(&item, EMPTY, permit.until())
        });
        visit.await.unwrap_or_else(|_| Err(KeyringError::NoAnswer { location: location() }))?;
        self.settle()
            .await
            .map_err(|error| KeyringError::Other { location: location(), why: error.to_string() })
    }

    /// The same store with another time limit, for tests.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Makes one visit to the item.
    async fn visit<T: Send + 'static>(
        &self,
        call: impl FnOnce(&K::Found, &Permit) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let (keyring, item) = (self.keyring.clone(), self.item.clone());
        let visit = self.visits.visit(self.patience, move |permit| {
            let found = keyring.find(&item, permit.until())?;
            call(&found, permit)
        });
        let location = || self.location.clone();
        visit.await.unwrap_or_else(|no_answer| {
            Err(match no_answer {
                NoAnswer::InTime => KeyringError::NoAnswer { location: location() },
                NoAnswer::Busy => KeyringError::Busy { location: location() },
            })
        })
    }

    /// Every store reports a missing document in the same way.
    fn read_error(&self, error: KeyringError) -> ReadError {
        match error {
            KeyringError::Missing { .. } => ReadError::Absent { path: PathBuf::from(&self.location) },
            error => ReadError::Keyring(error),
        }
    }

    fn write_error(&self, error: KeyringError) -> WriteError {
        match error {
            error @ KeyringError::Missing { .. } => self.read_error(error).into(),
            error => WriteError::Keyring(error),
        }
    }

    fn version_of(&self, mark: u64) -> Version {
        Version::Item(self.poll_state.borrow_mut().version(Some(mark)))
    }
}

/// The item's name in messages, records and the journal.
pub(crate) fn location<K: Keyring>(item: &KeychainItem) -> String {
    format!("{}:{} (account {})", K::KIND, item.service(), item.account())
}

impl<K: Keyring, F: FileSystem> Store for KeyringStore<K, F> {
    type Files = F;
    type Staged = StagedSecret;

    fn location(&self) -> &str {
        &self.location
    }

    fn locks(&self) -> &Locks<F> {
        &self.locks
    }

    fn ownership(&self) -> Ownership {
        self.ownership
    }

    fn look_again_in(&self) -> Option<Duration> {
        Some(self.poll_state.borrow().look_again_in())
    }

    async fn version(&self) -> Result<Version, ReadError> {
        match self.visit(|found, _| found.mark()).await {
            Ok(mark) => Ok(self.version_of(mark)),
            Err(KeyringError::Missing { .. }) => Ok(Version::Absent),
            Err(error) => Err(self.read_error(error)),
        }
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        let (mark, secret) = self
            .visit(|found, _| {
                // Read the date first, so that a concurrent write is seen as a change.
                let mark = found.mark()?;
                found.ensure_unlocked()?;
                Ok((mark, found.read()?))
            })
            .await
            .map_err(|error| self.read_error(error))?;
        Ok(Snapshot::new(secret, self.version_of(mark)))
    }

    async fn reserve(&self, _size: usize) -> Result<(), WriteError> {
        // Keyrings have no limit that a document reaches; all we can check is that the item exists and is unlocked.
        let ready = self.visit(|found, _| found.ensure_unlocked()).await;
        ready.map_err(|error| self.write_error(error))
    }

    fn refill_reservation(&self) {}

    fn release_reservation(&self) {}

    async fn stage(&self, document: &[u8]) -> Result<StagedSecret, WriteError> {
        Ok(StagedSecret(SecretBytes::from(document)))
    }

    async fn publish(
        &self,
        guard: &StorageLock<F>,
        read: &Snapshot,
        staged: StagedSecret,
    ) -> Result<Published, WriteError> {
        guard.still_ours()?;
        let (expected, location) = (SecretBytes::from(read.bytes()), self.location.clone());
        let swapped =
            self.visit(move |found, permit| swap(found, permit, &expected, &staged.0, location)).await;
        swapped.map_err(|error| self.write_error(error))
    }

    async fn settle(&self) -> Result<(), WriteError> {
        let keyring = self.keyring.clone();
        // Visible already, and in the journal; do not wait longer for a slow disk.
        let _ = self.visits.visit(self.patience, move |_| keyring.settle()).await;
        Ok(())
    }
}

/// Compares, writes, reads back.
fn swap(
    found: &impl FoundItem,
    permit: &Permit,
    expected: &[u8],
    new: &[u8],
    location: String,
) -> Result<Published, KeyringError> {
    found.ensure_unlocked()?;
    if found.read()?.as_slice() != expected {
        return Ok(Published::Changed);
    }
    if !permit.may_write() {
        return Err(KeyringError::Busy { location });
    }
    found.write(new)?;
    if found.read()?.as_slice() != new {
        return Err(KeyringError::NotWritten { location });
    }
    Ok(Published::Swapped)
}

impl<K: Keyring, F: FileSystem> std::fmt::Debug for KeyringStore<K, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyringStore").field("location", &self.location).finish_non_exhaustive()
    }
}
