//! Brings answers to etcd, however long it takes.

use super::Member;
use super::following::ClaimText;
use crate::{Claim, Clock, Compare, GrantRecord, KeyValues, KvError, Lateness, Owed, Put, Txn, settle};
use claude_store::EntryKey;
use std::time::Duration;

/// Between tries.
const AGAIN: Duration = Duration::from_millis(300);

/// A record as this member wrote it: the first try needs no reading.
pub(super) struct Basis {
    pub(super) record: GrantRecord,
    pub(super) revision: i64,
}

impl<K: KeyValues, C: Clock> Member<K, C> {
    /// What an earlier run of this member received and could not deliver.
    pub(super) fn take_up_left_over(&self) {
        let inner = &self.inner;
        match inner.answers.left_over(&inner.cluster_key) {
            Ok((owed, unusable)) => {
                owed.into_iter().for_each(|one| self.owe(one, None));
                if let Some(error) = unusable.first() {
                    inner.health.replace(super::Health::Unreachable { why: error.to_string() });
                }
            }
            Err(error) => {
                inner.health.replace(super::Health::Unreachable { why: error.to_string() });
            }
        }
    }

    /// Brings it to etcd in a task of its own.
    pub(super) fn owe(&self, owed: Owed, basis: Option<Basis>) {
        let id = owed.intent.id;
        self.inner.owed.borrow_mut().insert(id, owed.clone());
        let member = self.clone();
        tokio::task::spawn_local(async move {
            let mut basis = basis;
            while !matches!(member.deliver(&owed, basis.take()).await, Ok(true)) {
                tokio::time::sleep(AGAIN).await;
            }
            let inner = &member.inner;
            inner.answers.forget(id);
            inner.owed.borrow_mut().remove(&id);
            inner.tell(&EntryKey::new(owed.key.as_str()));
        });
    }

    /// One try. True if there is nothing left to do.
    async fn deliver(&self, owed: &Owed, basis: Option<Basis>) -> Result<bool, KvError> {
        let inner = &self.inner;
        let key = EntryKey::new(owed.key.as_str());
        let (basis, claim) = match basis {
            // Unchanged since, so the claim is ours.
            Some(basis) => (basis, Some(None)),
            None => match self.read(&key).await? {
                Some((basis, claim)) => {
                    let ours = claim.filter(|(text, _)| text.id == owed.intent.id);
                    (basis, ours.map(|(_, revision)| Some(revision)))
                }
                // It was removed from the cluster.
                None => return Ok(true),
            },
        };
        let record = match settle(&basis.record, &key, owed) {
            Lateness::Write(record) => *record,
            Lateness::Wait => return Ok(false),
            Lateness::Obsolete => return Ok(true),
        };
        let claim_key = inner.claim_key(&key);
        let mut compare = vec![Compare { key: inner.grant_key(&key), revision: basis.revision }];
        if let Some(Some(revision)) = claim {
            compare.push(Compare { key: claim_key.clone(), revision });
        }
        let put = vec![Put { key: inner.grant_key(&key), value: inner.sealed(&key, &record)?, lease: None }];
        let delete = claim.is_some().then_some(claim_key).into_iter().collect();
        let written = inner.noted(inner.kv.txn(&Txn { compare, put, delete }).await)?;
        if written.succeeded {
            self.learn(&key, record, written.revision);
            if claim.is_some() {
                inner.claimed(&key, None, written.revision);
            }
        }
        Ok(written.succeeded)
    }

    /// The record and the claim as they are now.
    pub(super) async fn read(
        &self,
        key: &EntryKey,
    ) -> Result<Option<(Basis, Option<(ClaimText, i64)>)>, KvError> {
        let inner = &self.inner;
        let read = async |name: &str| {
            let snapshot = inner.noted(inner.kv.range(name).await)?;
            Ok::<_, KvError>(snapshot.keys.into_iter().find(|one| one.key == name))
        };
        let Some(grant) = read(&inner.grant_key(key)).await? else { return Ok(None) };
        let record = GrantRecord::open(&inner.cluster_key, key.as_str(), &grant.value)
            .map_err(|error| KvError::Refused { why: error.to_string() })?;
        let claim = read(&inner.claim_key(key)).await?;
        let claim = claim.and_then(|one| Some((serde_json::from_str(&one.value).ok()?, one.revision)));
        Ok(Some((Basis { record, revision: grant.revision }, claim)))
    }

    /// What was just written with a claim.
    pub(super) fn learn_claimed(&self, key: &EntryKey, basis: &Basis, claim: &ClaimText) {
        self.learn(key, basis.record.clone(), basis.revision);
        let claim = Claim { member: claim.member.clone(), lease: claim.lease, revision: basis.revision };
        self.inner.claimed(key, Some(claim), basis.revision);
    }
}
