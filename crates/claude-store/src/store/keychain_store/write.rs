//! Writing the main item, and reading it back.

use super::line::{self, Form};
use super::{
    KeychainError, KeychainStore, READ_BACK_LIMIT, SecurityCall, SecurityTool, StagedItem, WRITE_LIMIT,
};
use crate::{Document, FileSystem, Snapshot};
use oauth_secret::SecretBytes;
use sha2::{Digest, Sha256};

/// The result of a failed write.
pub(super) struct Damaged {
    /// What the item holds now.
    pub(super) digest: [u8; 32],
    /// What it held before.
    pub(super) before: SecretBytes,
}

/// The main item of a document that was read.
pub(super) fn main_of(read: &Snapshot) -> &[u8] {
    read.split().map_or(read.bytes(), |split| &split.main)
}

/// The result of a write.
pub(super) enum Written {
    Ours,
    /// The item now holds another document.
    ByOthers,
    /// The item now holds this, which is not a document.
    Damaged(SecretBytes),
}

impl<F: FileSystem, T: SecurityTool> KeychainStore<F, T> {
    /// Passes the document to the tool. Only the item itself tells whether the write succeeded.
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
    pub(super) async fn write_and_compare(
        &self,
        before: &[u8],
        staged: &StagedItem,
    ) -> Result<Written, KeychainError> {
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

    /// Whether the item holds what was read, or what a damaged write left there.
    pub(super) fn is_as_read(&self, now: &[u8], read: &Snapshot) -> bool {
        let main = main_of(read);
        now == main
            || self
                .damaged
                .borrow()
                .as_ref()
                .is_some_and(|damaged| damaged.digest == digest(now) && damaged.before.as_slice() == main)
    }
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
