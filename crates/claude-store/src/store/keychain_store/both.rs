//! A document split over two items: read together, written one after the other.

use super::overflow::{Pointer, Slot};
use super::split::{NotSplit, Split};
use super::write::digest;
use super::{
    CALL_LIMIT, KeychainError, KeychainStore, LargeItems, SECOND_WRITE_WITHIN, SecurityCall, SecurityTool,
    StagedItem, answer, line,
};
use crate::{FileSystem, Incomplete, ReadError, Snapshot, StorageLock, WriteError};
use oauth_secret::SecretBytes;
use tokio::time::Instant;
use zeroize::Zeroizing;

impl<F: FileSystem, T: SecurityTool> KeychainStore<F, T> {
    /// The main item, or its content before our failed write.
    pub(super) async fn main(&self) -> Result<SecretBytes, ReadError> {
        let bytes = {
            let _one_of_few = self.at_a_time.acquire().await;
            self.password(CALL_LIMIT).await?
        };
        let bytes = bytes.ok_or_else(|| self.absent())?;
        let before = self
            .damaged
            .borrow()
            .as_ref()
            .and_then(|damaged| (damaged.digest == digest(&bytes)).then(|| damaged.before.clone()));
        Ok(before.unwrap_or(bytes))
    }

    /// Merges the main item and the one it names, or returns why that is not possible.
    pub(super) async fn whole(
        &self,
        main: &SecretBytes,
        pointer: &str,
    ) -> Result<Result<(SecretBytes, Split), Incomplete>, KeychainError> {
        let Some(pointer) = Pointer::parse(pointer) else { return Ok(Err(Incomplete::Unknown)) };
        let item = pointer.slot.beside(&self.item);
        let sealed = {
            let _one_of_few = self.at_a_time.acquire().await;
            self.secret(&item, CALL_LIMIT).await?
        };
        let Some(sealed) = sealed else { return Ok(Err(Incomplete::Missing { item: item.to_string() })) };
        let split = pointer.open(&sealed).map(|sections| Split { main: main.clone(), sections, pointer });
        let both = split.and_then(|split| Some((split.merged()?, split)));
        Ok(both.ok_or_else(|| Incomplete::Closed { item: item.to_string() }))
    }

    /// Writes the overflow item if its content changes, and returns the new content of the main item. The overflow item goes to the
    /// unused slot, and is read back before the main item refers to it.
    pub(super) async fn overflow_first(
        &self,
        guard: &StorageLock<F>,
        read: &Snapshot,
        split: &Split,
        staged: StagedItem,
        began: Instant,
    ) -> Result<StagedItem, WriteError> {
        let fits = |size| line::fits_split(&self.item, size).unwrap_or(false);
        let written = split.divide(read.bytes(), &staged.document, fits);
        let written = written.map_err(|error| self.not_divided(&error))?;
        if let Some((pointer, sealed)) = written.overflow {
            guard.still_ours()?;
            self.write_overflow(pointer.slot, &sealed, began).await?;
        }
        let form = line::form(&self.item, written.main.len(), LargeItems::Refuse);
        Ok(StagedItem { document: written.main, form })
    }

    fn not_divided(&self, error: &NotSplit) -> KeychainError {
        let why = match error {
            NotSplit::Odd => "the new tokens do not fit its two items",
            NotSplit::NotSealed => "the system returned no random numbers to encrypt its second item",
        };
        KeychainError::Tool { item: self.location.clone(), why: why.to_owned() }
    }

    async fn write_overflow(
        &self,
        slot: Slot,
        sealed: &SecretBytes,
        began: Instant,
    ) -> Result<(), KeychainError> {
        let item = slot.beside(&self.item);
        let left = || {
            let left = SECOND_WRITE_WITHIN.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(KeychainError::NoAnswer { item: item.to_string(), limit: SECOND_WRITE_WITHIN });
            }
            Ok(left)
        };
        // In the main item's Keychain, if there are several.
        let mut printed = self.ask(Self::find_item(&item, &[], left()?)).await?;
        if printed.is_none() {
            printed = self.ask(self.find(&[], left()?)).await?;
        }
        let printed = printed.map(|printed| String::from_utf8_lossy(&printed).into_owned());
        let keychain = printed.as_deref().and_then(answer::keychain);
        let text = String::from_utf8_lossy(sealed);
        let call = SecurityCall {
            arguments: Zeroizing::new(line::arguments_sealed(&item, &text, keychain)),
            input: SecretBytes::default(),
            limit: left()?,
        };
        let limit = call.limit;
        let output = self.tool.run(call).await.map_err(|error| self.no_answer(&error, limit))?;
        if self.secret(&item, left()?).await?.as_ref() == Some(sealed) {
            left()?;
            return Ok(());
        }
        Err(match output.code {
            None | Some(0) => KeychainError::NotWritten { item: item.to_string(), code: None },
            code @ Some(36 | 37 | 50 | 51 | 128) => self.refusal(code),
            code => KeychainError::NotWritten { item: item.to_string(), code },
        })
    }
}
