//! A change of a few entries outside of a refresh: a grant that moves between stores.

use crate::{
    Change, Document, DocumentError, EntryKey, LockError, Published, ReadError, SpliceError, Store,
    WriteError,
};
use std::time::Duration;

/// How long to wait for the storage lock; its holders keep it for one write.
const STORAGE_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Every lost comparison means that another program wrote; none writes this often.
const ROUNDS: u32 = 20;
/// Old clients write in place: a document may be half-written for a moment.
const HALF_WRITTEN_PAUSE: Duration = Duration::from_millis(50);

/// What [`rewrite`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing may have been written"]
pub enum Rewritten {
    /// The changes are in the store, and durable.
    Written,
    /// There was nothing to change.
    Unchanged,
}

/// Why a store was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It holds no document.
    #[error("{location}: {source}")]
    Document {
        /// The store.
        location: String,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// The changes do not fit.
    #[error(transparent)]
    Splice(#[from] SpliceError),
    /// Another process holds the storage lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Every comparison was lost.
    #[error("other programs keep rewriting {location}; find out which programs use this folder")]
    Contended {
        /// The store.
        location: String,
    },
}

/// Reads the document, lets `decide` name the changes, and writes them durably by the rules of every other write: spliced, beside, under
/// the storage lock, compared. If another program wrote meanwhile, `decide` is asked again. Without changes nothing is written.
///
/// # Errors
/// Nothing was changed, unless the sync after the swap failed.
pub async fn rewrite<S: Store>(
    store: &S,
    mut decide: impl FnMut(&Document<'_>) -> Vec<(EntryKey, Change)>,
) -> Result<Rewritten, RewriteError> {
    let located = |source| RewriteError::Document { location: store.location().to_owned(), source };
    for _ in 0..ROUNDS {
        let snapshot = store.read().await?;
        let document = match snapshot.document() {
            Err(error) if error.may_be_half_written() => {
                tokio::time::sleep(HALF_WRITTEN_PAUSE).await;
                continue;
            }
            document => document.map_err(located)?,
        };
        let changes = decide(&document);
        if changes.is_empty() {
            return Ok(Rewritten::Unchanged);
        }
        let bytes = document.splice(&changes)?;
        let staged = store.stage(&bytes).await?;
        let lock = store.locks().storage_lock(STORAGE_LOCK_PATIENCE).await?;
        let published = store.publish(&lock, &snapshot, staged).await;
        // A lock that is no longer ours is left alone; the comparison has decided what was written.
        let _ = lock.release();
        if published? == Published::Swapped {
            store.settle().await?;
            return Ok(Rewritten::Written);
        }
    }
    let last = store.read().await?;
    last.document().map_err(located)?;
    Err(RewriteError::Contended { location: store.location().to_owned() })
}
