mod access;
mod answer;
mod both;
mod damage;
mod error;
mod line;
mod overflow;
pub(crate) mod poll_state;
mod split;
mod tool;
mod write;

pub use answer::ItemAttributes;
pub use error::KeychainError;
pub use line::LargeItems;
pub(crate) use split::Split;
pub use tool::{OsSecurity, SecurityCall, SecurityOutput, SecurityTool, ToolError};

use crate::{
    FileSystem, ItemVersion, KeychainItem, Locks, OsFileSystem, Published, ReadError, Snapshot,
    StorageFolder, StorageLock, Store, Version, WriteError,
};
use damage::{Damaged, Written, digest, main_of};
use line::Form;
use oauth_secret::SecretBytes;
use poll_state::PollState;
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The tool's time limit outside the lock. It usually takes some 20 ms (reported); longer means a dialog on the screen.
const CALL_LIMIT: Duration = Duration::from_secs(10);

// Under the storage lock. A client waiting for it gives up after 7.5 s and loses a token (measured): together they stay below
// that, and below the 15 s after which the lock looks stale.
const COMPARE_LIMIT: Duration = Duration::from_secs(2);
const WRITE_LIMIT: Duration = Duration::from_secs(3);
const READ_BACK_LIMIT: Duration = Duration::from_secs(2);
const _: () =
    assert!(COMPARE_LIMIT.as_millis() + WRITE_LIMIT.as_millis() + READ_BACK_LIMIT.as_millis() < 7_500);

/// A damaged item is rewritten under the same lock only within this time.
const SECOND_WRITE_WITHIN: Duration = Duration::from_secs(2);
const _: () =
    assert!(SECOND_WRITE_WITHIN.as_millis() + WRITE_LIMIT.as_millis() + READ_BACK_LIMIT.as_millis() < 7_500);

/// How often to read both items until they match.
const READS_OF_BOTH: usize = 3;

/// Limit of concurrent tool processes, even during a storm of refreshes.
const AT_A_TIME: usize = 4;

/// The document in a macOS Keychain item, accessed like the client does: with `/usr/bin/security`.
///
/// The item is updated in place, so its access list survives; it is never created or deleted. Nothing can be staged next to it:
/// [`publish`](Store::publish) runs the tool under the storage lock, three times some 20 ms, each with a time limit. Every write is
/// read back.
///
/// A locked Keychain is a transient error, never an empty store.
pub struct KeychainStore<F: FileSystem = OsFileSystem, T: SecurityTool = OsSecurity> {
    tool: T,
    item: KeychainItem,
    location: String,
    locks: Locks<F>,
    large: LargeItems,
    at_a_time: Semaphore,
    poll_state: RefCell<PollState>,
    damaged: RefCell<Option<Damaged>>,
}

/// A document about to be written to a Keychain item.
pub struct StagedItem {
    document: SecretBytes,
    form: Result<Form, KeychainError>,
}

impl<F: FileSystem, T: SecurityTool> KeychainStore<F, T> {
    /// The store in this item, with the locks of this folder. Does no I/O.
    #[must_use]
    pub fn new(files: F, tool: T, folder: &StorageFolder, item: KeychainItem, large: LargeItems) -> Self {
        Self {
            tool,
            location: item.to_string(),
            item,
            locks: Locks::new(files, folder.path()),
            large,
            at_a_time: Semaphore::new(AT_A_TIME),
            poll_state: RefCell::new(PollState::new()),
            damaged: RefCell::default(),
        }
    }

    /// The item.
    #[must_use]
    pub fn item(&self) -> &KeychainItem {
        &self.item
    }

    /// Whether this document can be rewritten with new tokens.
    ///
    /// # Errors
    /// As [`will_fit`](Self::will_fit).
    pub fn can_be_written(&self, read: &Snapshot) -> Result<(), KeychainError> {
        match read.split().and_then(Split::extremes) {
            Some((least, most)) => line::will_fit_split(&self.item, least, most),
            None => self.will_fit(read.bytes().len()),
        }
    }

    /// Whether a document of `size` bytes can be rewritten with new tokens.
    ///
    /// # Errors
    /// [`KeychainError::TooLarge`] and [`KeychainError::Unspeakable`].
    pub fn will_fit(&self, size: usize) -> Result<(), KeychainError> {
        line::will_fit(&self.item, size, self.large)
    }

    /// The item's names and dates, which the Keychain shows without unlocking. `None` if there is no item.
    ///
    /// # Errors
    /// [`KeychainError`] says how to fix it.
    pub async fn attributes(&self) -> Result<Option<ItemAttributes>, KeychainError> {
        let call = self.find(&[], CALL_LIMIT);
        let printed = self.ask(call).await?;
        Ok(printed.map(|printed| ItemAttributes::parse(&String::from_utf8_lossy(&printed))))
    }

    /// The names and dates of all generic passwords in the user's Keychains, without secrets.
    ///
    /// # Errors
    /// [`KeychainError`] says how to fix it.
    pub async fn all_items(&self) -> Result<Vec<ItemAttributes>, KeychainError> {
        let printed = self.ask(SecurityCall::plain(&["dump-keychain"], CALL_LIMIT)).await?;
        let printed = printed.unwrap_or_default();
        Ok(ItemAttributes::parse_all(&String::from_utf8_lossy(&printed)))
    }

    /// Deletes an item that is not this store's own, and returns whether it was there. Only ever because the user said so.
    ///
    /// # Errors
    /// [`KeychainError`] says what to do.
    pub async fn delete_other(&self, other: &KeychainItem) -> Result<bool, KeychainError> {
        if other.service() == self.item.service() {
            return Ok(false);
        }
        let names = ["delete-generic-password", "-s", other.service(), "-a", other.account()];
        Ok(self.ask(SecurityCall::plain(&names, CALL_LIMIT)).await?.is_some())
    }

    fn find(&self, more: &[&str], limit: Duration) -> SecurityCall {
        Self::find_item(&self.item, more, limit)
    }

    fn find_item(item: &KeychainItem, more: &[&str], limit: Duration) -> SecurityCall {
        let names = ["find-generic-password", "-s", item.service(), "-a", item.account()];
        SecurityCall::plain(&[&names, more].concat(), limit)
    }

    fn absent(&self) -> ReadError {
        ReadError::Absent { path: PathBuf::from(&self.location) }
    }
}

impl<F: FileSystem, T: SecurityTool> Store for KeychainStore<F, T> {
    type Files = F;
    type Staged = StagedItem;

    fn location(&self) -> &str {
        &self.location
    }

    fn locks(&self) -> &Locks<F> {
        &self.locks
    }

    fn look_again_in(&self) -> Option<Duration> {
        Some(self.poll_state.borrow().look_again_in())
    }

    async fn version(&self) -> Result<Version, ReadError> {
        let attributes = {
            let _one_of_few = self.at_a_time.acquire().await;
            self.attributes().await?
        };
        Ok(match attributes {
            None => Version::Absent,
            // An unreadable date is never trusted.
            Some(attributes) => Version::Item(self.poll_state.borrow_mut().version(attributes.modified)),
        })
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        let mut tries = READS_OF_BOTH;
        loop {
            // Read the version first, so that a concurrent write leads to another read.
            let version = self.version().await?;
            let main = self.main().await?;
            let pointer = std::str::from_utf8(&main).ok().and_then(split::member);
            let Some(pointer) = pointer else { return Ok(Snapshot::new(main, version)) };
            match self.whole(&main, &pointer).await? {
                Ok((merged, split)) => return Ok(Snapshot::of_two(merged, version, split)),
                // Both items changed between the two reads; the next reads will match.
                Err(_) if tries > 1 && self.main().await? != main => tries -= 1,
                Err(why) => {
                    // Not conclusive: the other item may reappear without a change of this one.
                    let version = match version {
                        Version::Item(item) => Version::Item(ItemVersion { doubt: u64::MAX, ..item }),
                        other => other,
                    };
                    return Ok(Snapshot::new(main, version).with_incomplete(why));
                }
            }
        }
    }

    /// Reads the item: what is readable is writable, size permitting. The caller's estimate is meant for disks and ignored: with room for
    /// tokens of twice the length, every document would be too large for the preferred form of writing.
    async fn reserve(&self, _size: usize) -> Result<(), WriteError> {
        let snapshot = self.read().await?;
        Ok(self.can_be_written(&snapshot)?)
    }

    fn refill_reservation(&self) {}

    fn release_reservation(&self) {}

    async fn stage(&self, document: &[u8]) -> Result<StagedItem, WriteError> {
        // The form of a split document is determined when it is written.
        let form = line::form(&self.item, document.len(), self.large);
        Ok(StagedItem { document: SecretBytes::from(document), form })
    }

    async fn publish(
        &self,
        guard: &StorageLock<F>,
        read: &Snapshot,
        staged: StagedItem,
    ) -> Result<Published, WriteError> {
        let began = Instant::now();
        guard.still_ours()?;
        let now = self.password(COMPARE_LIMIT).await.map_err(ReadError::from)?;
        let Some(now) = now.filter(|now| self.is_as_read(now, read)) else { return Ok(Published::Changed) };
        let staged = match read.split() {
            None => staged,
            Some(split) => self.overflow_first(guard, read, split, staged, began).await?,
        };
        guard.still_ours()?;
        let mut written = self.write_and_compare(&now, &staged).await?;
        if matches!(written, Written::Damaged(_)) && began.elapsed() < SECOND_WRITE_WITHIN {
            guard.still_ours()?;
            written = self.write_and_compare(&now, &staged).await?;
        }
        match written {
            Written::Ours => {
                self.damaged.take();
                Ok(Published::Swapped)
            }
            Written::ByOthers => Ok(Published::Changed),
            Written::Damaged(left) => {
                let before = SecretBytes::from(main_of(read));
                self.damaged.replace(Some(Damaged { digest: digest(&left), before }));
                Err(KeychainError::Damaged { item: self.location.clone() }.into())
            }
        }
    }

    /// Nothing to wait for: when the tool exits, the item is in the Keychain's file, whose durability is up to the system.
    async fn settle(&self) -> Result<(), WriteError> {
        Ok(())
    }
}

impl<F: FileSystem, T: SecurityTool> std::fmt::Debug for KeychainStore<F, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeychainStore").field("item", &self.item).finish_non_exhaustive()
    }
}
