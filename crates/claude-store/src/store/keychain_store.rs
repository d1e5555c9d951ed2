mod answer;
mod both;
mod error;
mod line;
mod overflow;
pub(crate) mod poll_state;
mod split;
mod tool;

pub use answer::ItemAttributes;
pub use error::KeychainError;
pub use line::LargeItems;
pub(crate) use split::Split;
pub use tool::{OsSecurity, SecurityCall, SecurityOutput, SecurityTool, ToolError};

use crate::{
    Document, FileSystem, ItemVersion, KeychainItem, Locks, OsFileSystem, Published, ReadError, Snapshot,
    StorageFolder, StorageLock, Store, Version, WriteError,
};
use line::Form;
use oauth_secret::SecretBytes;
use poll_state::PollState;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long the tool may take where nobody waits for us. Usually it takes some 20 ms (reported); longer is a question on the screen.
const CALL_LIMIT: Duration = Duration::from_secs(10);

// Under the storage lock. A client that waits for it gives up after 7.5 s and loses a token (measured): all of them together stay
// below that, and below the 15 s after which the lock looks dead.
const COMPARE_LIMIT: Duration = Duration::from_secs(2);
const WRITE_LIMIT: Duration = Duration::from_secs(3);
const READ_BACK_LIMIT: Duration = Duration::from_secs(2);
const _: () =
    assert!(COMPARE_LIMIT.as_millis() + WRITE_LIMIT.as_millis() + READ_BACK_LIMIT.as_millis() < 7_500);

/// A damaged item is written once more under the same lock if no more time than this has gone by.
const SECOND_WRITE_WITHIN: Duration = Duration::from_secs(2);
const _: () =
    assert!(SECOND_WRITE_WITHIN.as_millis() + WRITE_LIMIT.as_millis() + READ_BACK_LIMIT.as_millis() < 7_500);

/// How often both items of a document are read until they fit together.
const READS_OF_BOTH: usize = 3;

/// As many of the tool at a time, so that a storm of refreshes is no storm of processes.
const AT_A_TIME: usize = 4;

/// The document in an item of the macOS Keychain, reached as the client reaches it: by `/usr/bin/security`.
///
/// The item is written in place, so that its access list stays; it is never made and never removed. Nothing can be prepared beside
/// it and swapped in: [`publish`](Store::publish) runs the tool under the storage lock, three times some 20 ms, each with a time
/// limit. After every write the item is read back.
///
/// A locked Keychain is an error that passes, never an empty store.
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

/// A document on its way into a Keychain item.
pub struct StagedItem {
    document: SecretBytes,
    form: Result<Form, KeychainError>,
}

/// What a write left that went wrong.
struct Damaged {
    /// What the item holds now.
    digest: [u8; 32],
    /// What it held before.
    before: SecretBytes,
}

impl<F: FileSystem, T: SecurityTool> KeychainStore<F, T> {
    /// The store in this item, with the locks of this folder. Looks at nothing yet.
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

    /// Whether this document can be written again with other tokens in it.
    ///
    /// # Errors
    /// As [`will_fit`](Self::will_fit).
    pub fn can_be_written(&self, read: &Snapshot) -> Result<(), KeychainError> {
        match read.split().and_then(Split::extremes) {
            Some((least, most)) => line::will_fit_split(&self.item, least, most),
            None => self.will_fit(read.bytes().len()),
        }
    }

    /// Whether a document of `size` bytes can be written again with other tokens in it.
    ///
    /// # Errors
    /// [`KeychainError::TooLarge`] and [`KeychainError::Unspeakable`].
    pub fn will_fit(&self, size: usize) -> Result<(), KeychainError> {
        line::will_fit(&self.item, size, self.large)
    }

    /// The item's names and dates, which the Keychain gives without being opened. `None` where there is no item.
    ///
    /// # Errors
    /// [`KeychainError`] says what to do.
    pub async fn attributes(&self) -> Result<Option<ItemAttributes>, KeychainError> {
        let call = self.find(&[], CALL_LIMIT);
        let printed = self.ask(call).await?;
        Ok(printed.map(|printed| ItemAttributes::parse(&String::from_utf8_lossy(&printed))))
    }

    /// The names and dates of every generic password in the user's Keychains, without any secret.
    ///
    /// # Errors
    /// [`KeychainError`] says what to do.
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

    /// The main item's content, unless the Keychain is to be left alone for a while.
    async fn password(&self, limit: Duration) -> Result<Option<SecretBytes>, KeychainError> {
        self.secret(&self.item, limit).await
    }

    async fn secret(
        &self,
        item: &KeychainItem,
        limit: Duration,
    ) -> Result<Option<SecretBytes>, KeychainError> {
        if let Some(error) = self.poll_state.borrow().refusal() {
            return Err(error);
        }
        let found = self.ask(Self::find_item(item, &["-w"], limit)).await;
        self.poll_state.borrow_mut().note_answer(found.as_ref().err());
        Ok(found?.map(|printed| answer::password(&printed)))
    }

    /// Runs the tool and gives what it printed; `None` where it knows no such item.
    async fn ask(&self, call: SecurityCall) -> Result<Option<SecretBytes>, KeychainError> {
        let limit = call.limit;
        let output = self.tool.run(call).await.map_err(|error| self.no_answer(&error, limit))?;
        match output.code {
            Some(0) => Ok(Some(output.stdout)),
            // errSecItemNotFound, as the low byte of its number; the others likewise.
            Some(44) => Ok(None),
            code => Err(self.refusal(code)),
        }
    }

    fn no_answer(&self, error: &ToolError, limit: Duration) -> KeychainError {
        let item = self.location.clone();
        match error {
            ToolError::NoAnswer => KeychainError::NoAnswer { item, limit },
            ToolError::Io { .. } => KeychainError::Tool { item, why: error.to_string() },
        }
    }

    fn refusal(&self, code: Option<i32>) -> KeychainError {
        let item = self.location.clone();
        match code {
            Some(36) => KeychainError::Locked { item },
            Some(37 | 50) => KeychainError::NoKeychain { item },
            Some(51) => KeychainError::Refused { item },
            Some(128) => KeychainError::Declined { item, again_in: poll_state::AFTER_NO },
            Some(code) => {
                KeychainError::Tool { item, why: format!("/usr/bin/security ended with exit code {code}") }
            }
            None => KeychainError::Tool { item, why: "/usr/bin/security was killed".to_owned() },
        }
    }

    fn absent(&self) -> ReadError {
        ReadError::Absent { path: PathBuf::from(&self.location) }
    }

    /// Hands the document to the tool. What came of it only the item itself can say.
    async fn write(&self, staged: &StagedItem) -> Result<Option<i32>, KeychainError> {
        let call = match staged.form.clone()? {
            Form::Line => SecurityCall {
                input: line::line(&self.item, &staged.document)?,
                ..SecurityCall::plain(&["-i"], WRITE_LIMIT)
            },
            Form::Argument => SecurityCall {
                arguments: line::arguments(&self.item, &staged.document),
                input: SecretBytes::default(),
                limit: WRITE_LIMIT,
            },
        };
        let output = self.tool.run(call).await.map_err(|error| self.no_answer(&error, WRITE_LIMIT))?;
        Ok(output.code)
    }

    /// Writes and reads back.
    async fn write_and_compare(&self, before: &[u8], staged: &StagedItem) -> Result<Written, KeychainError> {
        let written = self.write(staged).await;
        let Some(now) = self.password(READ_BACK_LIMIT).await? else { return Ok(Written::ByOthers) };
        if now == staged.document {
            return Ok(Written::Ours);
        }
        if *now == *before {
            let item = self.location.clone();
            return Err(match written? {
                None | Some(0) => KeychainError::NotWritten { item, code: None },
                code @ Some(36 | 37 | 50 | 51 | 128) => self.refusal(code),
                code => KeychainError::NotWritten { item, code },
            });
        }
        Ok(if Document::parse(&now).is_ok() { Written::ByOthers } else { Written::Damaged(now) })
    }

    /// Whether the item holds what was read, or what a damaged write left of it.
    fn is_as_read(&self, now: &[u8], read: &Snapshot) -> bool {
        let main = main_of(read);
        now == main
            || self
                .damaged
                .borrow()
                .as_ref()
                .is_some_and(|damaged| damaged.digest == digest(now) && damaged.before.as_slice() == main)
    }
}

/// What stands in the main item of a document that was read.
fn main_of(read: &Snapshot) -> &[u8] {
    read.split().map_or(read.bytes(), |split| &split.main)
}

/// How a write ended.
enum Written {
    Ours,
    /// Another document stands there.
    ByOthers,
    /// This stands there, and is none.
    Damaged(SecretBytes),
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
            // A date that cannot be read is never trusted.
            Some(attributes) => Version::Item(self.poll_state.borrow_mut().version(attributes.modified)),
        })
    }

    async fn read(&self) -> Result<Snapshot, ReadError> {
        let mut tries = READS_OF_BOTH;
        loop {
            // The version first: what is written meanwhile is then read once more.
            let version = self.version().await?;
            let main = self.main().await?;
            let pointer = std::str::from_utf8(&main).ok().and_then(split::member);
            let Some(pointer) = pointer else { return Ok(Snapshot::new(main, version)) };
            match self.whole(&main, &pointer).await? {
                Ok((merged, split)) => return Ok(Snapshot::of_two(merged, version, split)),
                // Somebody wrote both items between the two reads: what is read next fits together.
                Err(_) if tries > 1 && self.main().await? != main => tries -= 1,
                Err(why) => {
                    // Never taken for settled: the other item may come back without a change of this one.
                    let version = match version {
                        Version::Item(item) => Version::Item(ItemVersion { doubt: u64::MAX, ..item }),
                        other => other,
                    };
                    return Ok(Snapshot::new(main, version).with_incomplete(why));
                }
            }
        }
    }

    /// Reads the item: what can be read can be written, if its size allows it. The estimate of the caller, made for a disk, is not
    /// used: room for tokens of twice the length would close the better form of writing to every document.
    async fn reserve(&self, _size: usize) -> Result<(), WriteError> {
        let snapshot = self.read().await?;
        Ok(self.can_be_written(&snapshot)?)
    }

    fn release_reservation(&self) {}

    async fn stage(&self, document: &[u8]) -> Result<StagedItem, WriteError> {
        // What its form is, if it goes into two items, is seen when they are written.
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

    /// Nothing to wait for: when the tool ends, the item is in the Keychain's file, whose durability is the system's concern.
    async fn settle(&self) -> Result<(), WriteError> {
        Ok(())
    }
}

impl<F: FileSystem, T: SecurityTool> std::fmt::Debug for KeychainStore<F, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeychainStore").field("item", &self.item).finish_non_exhaustive()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
