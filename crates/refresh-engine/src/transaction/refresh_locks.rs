//! Step 2 of a transaction: the refresh locks of the entry and of all others that hold the same token.

use crate::journal::OtherLock;
use crate::store_access::shared::Shared;
use crate::transaction::end::{TransactionEnd, locked};
use crate::transaction::grants::{Holder, others};
use crate::{ObservedEntry, Partners};
use claude_store::{EntryKey, Identity, LockError, LockLost, RefreshLock, Store};
use oauth_secret::TokenDigest;
use std::time::Duration;

/// How long to wait for a refresh lock with a live holder: the client is refreshing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The refresh locks of one transaction. Dropping this releases those that are still ours.
#[must_use = "the locks are held only while this lives"]
pub(crate) struct RefreshLocks<P: Partners> {
    others: Vec<(Holder<P>, RefreshLock<P::Files>)>,
    own: RefreshLock<P::Files>,
}

impl<P: Partners> RefreshLocks<P> {
    /// Takes the locks, or returns how the transaction ends instead.
    pub(crate) async fn take(
        shared: &Shared<P>,
        seen: &ObservedEntry,
        token: TokenDigest,
    ) -> Result<Self, TransactionEnd> {
        Self::try_take(shared, &seen.entry.key, token).await.map_err(|error| locked(shared, seen, error))
    }

    /// The clients of the others would present the token, too. Where a lock cannot be made by anybody, no client can either hold it or
    /// write there.
    async fn try_take(shared: &Shared<P>, key: &EntryKey, token: TokenDigest) -> Result<Self, LockError> {
        let own = shared.store.locks().refresh_lock(key, PATIENCE).await?;
        let mut held = Vec::new();
        for holder in others(shared, key, token) {
            match holder.shared.store.locks().refresh_lock(&holder.key, PATIENCE).await {
                Ok(lock) => held.push((holder, lock)),
                Err(error @ (LockError::Held { .. } | LockError::Lost { .. })) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Self { others: held, own })
    }

    /// Whether the entry's own lock is still ours.
    pub(crate) fn still_ours(&self) -> Result<(), LockLost> {
        self.own.still_ours()
    }

    /// The entry's own lock, for the journal.
    pub(crate) fn identity(&self) -> Identity {
        self.own.identity()
    }

    /// The others, for the journal, so that the next start can remove them at once.
    pub(crate) fn others_for_journal(&self) -> Vec<OtherLock> {
        let other = |(holder, lock): &(Holder<P>, RefreshLock<P::Files>)| OtherLock {
            store: holder.shared.location().to_owned(),
            key: holder.key.to_string(),
            lock: lock.identity(),
        };
        self.others.iter().map(other).collect()
    }
}
