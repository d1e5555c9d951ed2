//! Reads the document, or says why it cannot be read.

use crate::ObservedEntry;
use claude_store::{Document, DocumentError, EntryKey, Incomplete, ReadError, Snapshot, Store, Version};
use std::sync::Arc;

/// One entry as the store holds it.
pub(crate) struct Reading {
    /// The document's size in bytes.
    pub(crate) size: usize,
    /// The document's version.
    pub(crate) version: Version,
    /// The entry; `None` if it is absent.
    pub(crate) seen: Option<ObservedEntry>,
}

/// The document, or one entry of it, cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The store cannot be read.
    #[error(transparent)]
    Store(Arc<ReadError>),
    /// The bytes are not a document.
    #[error("{location}: {source}")]
    Document { location: String, source: DocumentError },
    /// This entry exists but is malformed.
    #[error("entry `{0}` is malformed and left alone; fix it or log in again")]
    Odd(EntryKey),
    /// This entry may be in the part of the document that cannot be read.
    #[error("entry `{key}` cannot be read: {source}")]
    Hidden { key: EntryKey, source: Incomplete },
}

impl Unreadable {
    /// There is no document yet, or no longer.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(**error, ReadError::Absent { .. }))
    }

    /// Worth retrying a moment later: old clients write in place.
    pub(crate) fn may_be_half_written(&self) -> bool {
        match self {
            Self::Store(error) => matches!(**error, ReadError::Io { .. }),
            Self::Document { source, .. } => source.may_be_half_written(),
            Self::Odd(_) | Self::Hidden { .. } => false,
        }
    }
}

/// Reads the document's bytes.
pub(crate) async fn read<S: Store>(store: &S) -> Result<Snapshot, Unreadable> {
    store.read().await.map_err(|error| Unreadable::Store(Arc::new(error)))
}

/// The bytes as a document.
pub(crate) fn document<'s, S: Store>(store: &S, snapshot: &'s Snapshot) -> Result<Document<'s>, Unreadable> {
    let located = |source| Unreadable::Document { location: store.location().to_owned(), source };
    snapshot.document().map_err(located)
}

/// One entry of it; `None` if it is absent.
pub(crate) fn entry(document: &Document<'_>, key: &EntryKey) -> Result<Option<ObservedEntry>, Unreadable> {
    match (document.entry(key), document.incomplete()) {
        (Some(entry), _) => Ok(Some(ObservedEntry::new(entry.clone()))),
        (None, _) if document.raw_entry(key).is_some() => Err(Unreadable::Odd(key.clone())),
        (None, Some(why)) => Err(Unreadable::Hidden { key: key.clone(), source: why.clone() }),
        (None, None) => Ok(None),
    }
}
