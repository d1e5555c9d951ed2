//! Puts grants into the cluster and takes them out.

use super::Member;
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
    /// member presents it until this one puts it again.
    ///
    /// # Errors
    /// The cluster was not changed, or, if etcd did not answer, perhaps it was.
    pub async fn put(&self, key: &EntryKey, entry: &RawEntry, moving: bool) -> Result<(), PutError> {
        let inner = &self.inner;
        let read = self.read(key).await?;
        let (before, claim) = read.map_or((None, None), |(basis, claim)| (Some(basis), claim));
        if let Some((claim, _)) = claim {
            return Err(PutError::Busy { member: claim.member });
        }
        if let Some(Phase::Moving { by }) = before.as_ref().map(|basis| &basis.record.phase)
            && *by != inner.options.name
        {
            return Err(PutError::Busy { member: by.clone() });
        }
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

    /// From now on no member presents the grant's refresh token until this one puts it again. Returns its entry.
    ///
    /// # Errors
    /// As [`put`](Self::put); also if its refresh token may be used up.
    pub async fn freeze(&self, key: &EntryKey) -> Result<RawEntry, PutError> {
        let (basis, _) = self.read(key).await?.ok_or(PutError::Changed)?;
        match &basis.record.phase {
            Phase::Presenting(intent) | Phase::Unclear { intent, .. } => {
                return Err(PutError::Unclear { member: intent.member.clone() });
            }
            Phase::Good | Phase::Refused { .. } | Phase::Moving { .. } => {}
        }
        let entry = RawEntry::new(basis.record.entry.as_str());
        self.put(key, &entry, true).await?;
        let (now, _) = self.read(key).await?.ok_or(PutError::Changed)?;
        if now.record.entry == basis.record.entry { Ok(entry) } else { Err(PutError::Changed) }
    }

    /// Removes a grant from the cluster, and returns its entry; `None` if there is none.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn remove(&self, key: &EntryKey) -> Result<Option<RawEntry>, PutError> {
        let inner = &self.inner;
        let Some((basis, claim)) = self.read(key).await? else { return Ok(None) };
        if let Some((claim, _)) = claim {
            return Err(PutError::Busy { member: claim.member });
        }
        let compare = vec![
            Compare { key: inner.grant_key(key), revision: basis.revision },
            Compare { key: inner.claim_key(key), revision: 0 },
        ];
        let txn = Txn { compare, put: Vec::new(), delete: vec![inner.grant_key(key)] };
        let written = inner.noted(inner.kv.txn(&txn).await)?;
        if written.succeeded {
            Ok(Some(RawEntry::new(basis.record.entry.as_str())))
        } else {
            Err(PutError::Changed)
        }
    }
}
