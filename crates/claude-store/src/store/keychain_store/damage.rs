//! What a write left in the item.

use crate::Snapshot;
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

pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
