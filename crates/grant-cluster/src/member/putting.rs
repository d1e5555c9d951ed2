//! Puts grants into the cluster and takes them out.

use super::Member;
use super::following::ClaimText;
use super::owing::Basis;
use crate::{Clock, Compare, GrantRecord, KeyValues, KvError, Phase, Put, Txn};
use claude_store::{EntryKey, RawEntry};

/// The cluster was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// etcd did not do it.
    #[error("etcd: {0}")]
    Etcd(#[from] KvError),
    /// A member is refreshing or moving it.
    #[error("{member} is refreshing or moving it; try again in a moment")]
    Busy {
        /// The member.
        member: String,
    },
    /// It is no entry.
    #[error("it is not an entry with a refresh token")]
    NoGrant,
    /// Its fate is open.
    #[error(
        "{member} presented its refresh token and did not record an answer; try again when it is settled"
    )]
    Unclear {
        /// The member.
        member: String,
    },
    /// Another program was faster.
    #[error("another member changed it meanwhile; try again")]
    Changed,
}

impl<K: KeyValues, C: Clock> Member<K, C> {
    /// Puts an entry into the cluster, whatever stands under its key. `moving`: it is in another store, too, so that no
    /// member presents it until this one [thaws](Self::thaw) it.
    ///
    /// # Errors
    /// The cluster was not changed, or, if etcd did not answer, perhaps it was.
    pub async fn put(&self, key: &EntryKey, entry: &RawEntry, moving: bool) -> Result<(), PutError> {
        let read = self.read(key).await?;
        let (before, claim) = read.map_or((None, None), |(basis, claim)| (Some(basis), claim));
        self.unclaimed(before.as_ref(), claim)?;
        self.replace(key, entry, moving, before).await
    }

    /// From now on no member presents the grant's refresh token until this one thaws it. Returns its entry.
    ///
    /// # Errors
    /// As [`put`](Self::put); also if its refresh token may be used up.
    pub async fn freeze(&self, key: &EntryKey) -> Result<RawEntry, PutError> {
        let (basis, claim) = self.read(key).await?.ok_or(PutError::Changed)?;
        match &basis.record.phase {
            Phase::Presenting(intent) | Phase::Unclear { intent, .. } => {
                return Err(PutError::Unclear { member: intent.member.clone() });
            }
            Phase::Good | Phase::Refused { .. } | Phase::Moving { .. } => {}
        }
        self.unclaimed(Some(&basis), claim)?;
        let entry = RawEntry::new(basis.record.entry.as_str());
        // On what was read here alone: a pair that another member has written since must not be replaced by the one before it.
        self.replace(key, &entry, true, Some(basis)).await?;
        Ok(entry)
    }

    /// Lets all members present a grant that this one has on its way. False if it has not.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn thaw(&self, key: &EntryKey) -> Result<bool, PutError> {
        let Some(basis) = self.on_its_way(key).await? else { return Ok(false) };
        let entry = RawEntry::new(basis.record.entry.as_str());
        self.replace(key, &entry, false, Some(basis)).await?;
        Ok(true)
    }

    /// Removes a grant that this member has on its way. False if it has not.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn remove(&self, key: &EntryKey) -> Result<bool, PutError> {
        let inner = &self.inner;
        let Some(basis) = self.on_its_way(key).await? else { return Ok(false) };
        let compare = vec![Compare { key: inner.grant_key(key), revision: basis.revision }];
        let txn = Txn { compare, put: Vec::new(), delete: vec![inner.grant_key(key)] };
        let written = inner.noted(inner.kv.txn(&txn).await)?;
        if written.succeeded { Ok(true) } else { Err(PutError::Changed) }
    }

    /// The record as etcd has it now, if this member moves the grant: then nobody else changes it.
    async fn on_its_way(&self, key: &EntryKey) -> Result<Option<Basis>, PutError> {
        let read = self.read(key).await?.map(|(basis, _)| basis);
        let is_ours = |basis: &Basis| matches!(&basis.record.phase, Phase::Moving { by } if *by == self.inner.options.name);
        Ok(read.filter(is_ours))
    }

    /// Nobody presents it, and nobody else moves it.
    fn unclaimed(&self, before: Option<&Basis>, claim: Option<(ClaimText, i64)>) -> Result<(), PutError> {
        if let Some((claim, _)) = claim {
            return Err(PutError::Busy { member: claim.member });
        }
        match before.map(|basis| &basis.record.phase) {
            Some(Phase::Moving { by }) if *by != self.inner.options.name => {
                Err(PutError::Busy { member: by.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Replaces exactly this record, or none.
    async fn replace(
        &self,
        key: &EntryKey,
        entry: &RawEntry,
        moving: bool,
        before: Option<Basis>,
    ) -> Result<(), PutError> {
        let inner = &self.inner;
        // A grant that was removed and comes back must not seem to have gone back.
        let now = u64::try_from(inner.clock.wall().as_millisecond()).unwrap_or(0);
        let serial = before.as_ref().map_or(0, |basis| basis.record.serial + 1).max(now);
        let phase = if moving { Phase::Moving { by: inner.options.name.clone() } } else { Phase::Good };
        let record = GrantRecord::new(serial, entry, phase);
        if record.refresh_token(key).is_none() {
            return Err(PutError::NoGrant);
        }
        let compare = vec![
            Compare { key: inner.grant_key(key), revision: before.map_or(0, |basis| basis.revision) },
            Compare { key: inner.claim_key(key), revision: 0 },
        ];
        let put = vec![Put { key: inner.grant_key(key), value: inner.sealed(key, &record)?, lease: None }];
        let written = inner.noted(inner.kv.txn(&Txn { compare, put, delete: Vec::new() }).await)?;
        if !written.succeeded {
            return Err(PutError::Changed);
        }
        self.learn(key, record, written.revision);
        Ok(())
    }
}
