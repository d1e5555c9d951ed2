//! Keeps the copy on this machine as etcd has it.

use super::Cluster;
use claude_store::{AnyStore, Change, Document, Entry, EntryKey, RawEntry, RewriteError, rewrite};
use compact::Set;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// After a failed write.
const AGAIN: Duration = Duration::from_secs(1);

impl Cluster {
    /// Copies what changes, forever.
    pub(super) async fn follow(&self, mut news: UnboundedReceiver<EntryKey>, copied: &impl Fn()) {
        // Only then is it known what is there no more.
        self.member.followed().await;
        let mut changed: Set<EntryKey> = self.member.grants().into_iter().map(|(key, _)| key).collect();
        changed.extend(self.copied().await);
        loop {
            match self.copy(&changed).await {
                Ok(()) => {
                    changed.clear();
                    copied();
                    match news.recv().await {
                        Some(key) => changed.insert(key),
                        None => return,
                    };
                }
                Err(error) => {
                    tracing::warn!("the copy of the cluster's grants cannot be written: {error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
            // Whatever has come meanwhile goes into the same write.
            while let Ok(key) = news.try_recv() {
                changed.insert(key);
            }
        }
    }

    /// The keys in the copy.
    async fn copied(&self) -> Vec<EntryKey> {
        let Ok(snapshot) = claude_store::Store::read(&self.copy).await else { return Vec::new() };
        snapshot
            .document()
            .map(|document| document.entries().map(|entry| entry.key.clone()).collect())
            .unwrap_or_default()
    }

    async fn copy(&self, keys: &Set<EntryKey>) -> Result<(), RewriteError> {
        // What this member has received is newer than what etcd has.
        let keys: Vec<_> = keys.iter().filter(|key| !self.member.owes(key)).collect();
        let there: Vec<_> = keys
            .iter()
            .filter_map(|key| Some(((*key).clone(), self.member.seen(key)?.record)))
            .map(|(key, record)| {
                let decoded = record.decoded(&key);
                (key, decoded, RawEntry::new(record.entry.as_str()))
            })
            .collect();
        put(&self.copy, &there).await?;
        let unreadable: Set<_> = self.member.unreadable().into_iter().map(|(key, _)| key).collect();
        for key in keys {
            if self.member.seen(key).is_none() && !unreadable.contains(key) {
                remove(&self.copy, key).await?;
            }
        }
        Ok(())
    }
}

async fn put(copy: &AnyStore, there: &[(EntryKey, Option<Entry>, RawEntry)]) -> Result<(), RewriteError> {
    let changes = |document: &Document<'_>| {
        let change = |(key, decoded, raw): &(EntryKey, Option<Entry>, RawEntry)| {
            let change = match (document.entry(key), decoded) {
                // The engine has written it: its own way of writing a moment is as good.
                (Some(found), Some(new))
                    if found.access_token == new.access_token && found.refresh_token == new.refresh_token =>
                {
                    return None;
                }
                (Some(_), _) => Change::Restore { members: raw.clone() },
                (None, _) => Change::Reinsert { raw: raw.clone() },
            };
            Some((key.clone(), change))
        };
        there.iter().filter_map(change).collect()
    };
    // Either way it is there.
    let _ = rewrite(copy, changes).await?;
    Ok(())
}

async fn remove(copy: &AnyStore, key: &EntryKey) -> Result<(), RewriteError> {
    let written = rewrite(copy, |document: &Document<'_>| {
        document.raw_entry(key).map(|_| (key.clone(), Change::Remove)).into_iter().collect()
    });
    // Either way it is gone.
    let _ = written.await?;
    Ok(())
}
