//! Follows the grants by watch.

use super::{Inner, Member};
use crate::{
    Claim, Clock, Event, GrantRecord, KeyValue, KeyValues, KvError, LeaseId, Owed, Phase, Seen, Snapshot,
};
use claude_store::EntryKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// A watch is begun anew after this: a connection can be dead without anybody noticing.
const REWATCH: Duration = Duration::from_secs(60);
/// After a failure.
const AGAIN: Duration = Duration::from_millis(300);

/// The value of a claim.
#[derive(Serialize, Deserialize)]
pub(super) struct ClaimText {
    pub(super) member: String,
    pub(super) lease: LeaseId,
    pub(super) id: u64,
}

impl<K: KeyValues, C: Clock> Member<K, C> {
    /// Reads everything, then follows the changes, forever.
    pub(super) async fn follow(&self) {
        loop {
            if let Err(KvError::Unknown { .. } | KvError::Refused { .. }) = self.follow_once().await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    async fn follow_once(&self) -> Result<(), KvError> {
        let inner = &self.inner;
        let snapshot = inner.noted(inner.kv.range(&inner.options.prefix).await)?;
        let mut from = snapshot.revision + 1;
        self.take_snapshot(snapshot);
        loop {
            let mut watch = inner.noted(inner.kv.watch(&inner.options.prefix, from).await)?;
            let until = tokio::time::Instant::now() + REWATCH;
            loop {
                let events = tokio::select! {
                    biased;
                    events = K::next(&mut watch) => events,
                    () = inner.disturbed.notified() => break,
                    () = tokio::time::sleep_until(until) => break,
                };
                for event in inner.noted(events)? {
                    let (Event::Put(KeyValue { revision, .. }) | Event::Deleted { revision, .. }) = &event;
                    from = from.max(revision + 1);
                    self.take(event);
                }
                inner.ring();
            }
            // Not in a hurry: what disturbed it may last.
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn take_snapshot(&self, snapshot: Snapshot) {
        let inner = &self.inner;
        let of = |kind: &str| -> BTreeSet<EntryKey> {
            let prefix = format!("{}{kind}/", inner.options.prefix);
            snapshot
                .keys
                .iter()
                .filter_map(|one| Some(EntryKey::new(one.key.strip_prefix(&prefix)?)))
                .collect()
        };
        let (grants, claims) = (of("grants"), of("claims"));
        let known: Vec<_> = inner.grants.borrow().keys().cloned().collect();
        for key in known {
            if !grants.contains(&key) {
                self.take(Event::Deleted { key: inner.grant_key(&key), revision: snapshot.revision });
            } else if !claims.contains(&key) {
                self.take(Event::Deleted { key: inner.claim_key(&key), revision: snapshot.revision });
            }
        }
        let unreadable: Vec<_> = inner.unreadable.borrow().keys().cloned().collect();
        for key in unreadable.into_iter().filter(|key| !grants.contains(key)) {
            inner.unreadable.borrow_mut().remove(&key);
        }
        // Grants before their claims.
        let mut keys = snapshot.keys;
        keys.sort_by_key(|one| !one.key.starts_with(&format!("{}grants/", inner.options.prefix)));
        keys.into_iter().for_each(|one| self.take(Event::Put(one)));
        inner.followed.set(true);
        inner.ring();
    }

    pub(super) fn take(&self, event: Event) {
        let inner = &self.inner;
        let (Event::Put(KeyValue { key, .. }) | Event::Deleted { key, .. }) = &event;
        let parts = key.strip_prefix(&inner.options.prefix).and_then(|rest| rest.split_once('/'));
        let Some((kind, name)) = parts.map(|(kind, name)| (kind.to_owned(), EntryKey::new(name))) else {
            return;
        };
        match (kind.as_str(), event) {
            ("grants", Event::Put(one)) => {
                match GrantRecord::open(&inner.cluster_key, name.as_str(), &one.value) {
                    Ok(record) => self.learn(&name, record, one.revision),
                    Err(error) => {
                        inner.unreadable.borrow_mut().insert(name.clone(), error.to_string());
                        if inner.grants.borrow_mut().remove(&name).is_some() {
                            inner.tell(&name);
                        }
                    }
                }
            }
            ("grants", Event::Deleted { key, revision }) => {
                inner.note_gone(key, revision);
                let mut grants = inner.grants.borrow_mut();
                if grants.get(&name).is_some_and(|seen| seen.revision <= revision) {
                    grants.remove(&name);
                    drop(grants);
                    inner.tell(&name);
                }
            }
            ("claims", Event::Put(one)) => {
                if let Ok(ClaimText { member, lease, .. }) = serde_json::from_str(&one.value) {
                    inner.claimed(&name, Some(Claim { member, lease, revision: one.revision }), one.revision);
                }
            }
            ("claims", Event::Deleted { revision, .. }) => inner.claimed(&name, None, revision),
            _ => {}
        }
    }

    /// Takes a record for the present one, unless a newer one is known.
    pub(super) fn learn(&self, key: &EntryKey, record: GrantRecord, revision: i64) {
        let inner = &self.inner;
        let now = inner.clock.boot();
        let mut grants = inner.grants.borrow_mut();
        let before = grants.get(key);
        if before.is_some_and(|seen| seen.revision >= revision) {
            return;
        }
        if before.is_none() && inner.is_gone(&inner.grant_key(key), revision) {
            return;
        }
        let claim = before.and_then(|seen| seen.claim.clone());
        let mut highest = inner.highest.borrow_mut();
        let highest = highest.entry(key.clone()).or_default();
        let went_back = record.serial < *highest;
        *highest = record.serial.max(*highest);
        let unclaimed_since = claim.is_none().then_some(now);
        let orphan = inner.orphan(key, &record);
        let refresh = record.refresh_token(key);
        grants.insert(key.clone(), Seen { record, refresh, revision, claim, unclaimed_since, went_back });
        drop(grants);
        inner.unreadable.borrow_mut().remove(key);
        inner.tell(key);
        if let Some(orphan) = orphan {
            // The transaction was thought lost, and was done after all.
            self.owe(orphan, None);
        }
    }
}

impl<K: KeyValues, C: Clock> Inner<K, C> {
    pub(super) fn claimed(&self, key: &EntryKey, claim: Option<Claim>, revision: i64) {
        let now = self.clock.boot();
        let name = self.claim_key(key);
        match &claim {
            Some(_) if self.is_gone(&name, revision) => return,
            Some(_) => {}
            None => self.note_gone(name, revision),
        }
        if let Some(seen) = self.grants.borrow_mut().get_mut(key) {
            let known = seen.claim.as_ref().map_or(0, |claim| claim.revision);
            if claim.is_some() && revision <= known || claim.is_none() && revision < known {
                return;
            }
            match (&claim, seen.unclaimed_since) {
                (Some(_), _) => seen.unclaimed_since = None,
                (None, None) => seen.unclaimed_since = Some(now),
                (None, Some(_)) => {}
            }
            seen.claim = claim;
        }
        self.ring();
    }

    /// Notes that a key of etcd was deleted by this revision.
    fn note_gone(&self, key: String, revision: i64) {
        let mut gone = self.gone.borrow_mut();
        let last = gone.entry(key).or_default();
        *last = revision.max(*last);
    }

    /// Whether a key that this revision wrote is known to have been deleted since. Nothing would say it a second time.
    fn is_gone(&self, key: &str, revision: i64) -> bool {
        let deleted = self.gone.borrow().get(key).copied().unwrap_or_default();
        revision <= deleted
    }

    /// An intent of this member's own lease that no task of it knows: nothing was presented for it.
    pub(super) fn orphan(&self, key: &EntryKey, record: &GrantRecord) -> Option<Owed> {
        let Phase::Presenting(intent) = &record.phase else { return None };
        let ours = self.lease.borrow().as_ref().is_some_and(|lease| lease.id == intent.lease);
        let known = self.active.borrow().contains(&intent.id) || self.owed.borrow().contains_key(&intent.id);
        (ours && !known).then(|| Owed {
            key: key.to_string(),
            intent: intent.clone(),
            sent_at: intent.at,
            answer: None,
            unsent: true,
            why: "it was not sent".to_owned(),
        })
    }
}
