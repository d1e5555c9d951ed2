//! Presents a refresh token: intent, request, answer.

use super::Member;
use super::following::ClaimText;
use super::owing::Basis;
use crate::decide::with_intent;
use crate::lease::Lease;
use crate::{Clock, Compare, Intent, KeyValues, KvError, Owed, Permission, Put, Seen, Txn, may_present};
use claude_store::EntryKey;
use oauth_secret::{RefreshToken, TokenDigest};
use std::time::Duration;
use token_endpoint::{RawAnswer, SendError, UnsentKind};

/// How long to wait for the result of another member that is refreshing.
const OTHERS_PATIENCE: Duration = Duration::from_secs(5);
/// How long the caller waits until etcd has the answer. It is delivered in every case.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(3);
/// No lease has this number.
const NOBODYS: crate::LeaseId = 0;
/// Why nothing was sent where a transaction's outcome is unknown: tries to find out.
const LOOKS: u32 = 3;

impl<K: KeyValues, C: Clock> Member<K, C> {
    /// Presents the refresh token by `send`, if the cluster holds it and nobody else presents it. What `send` does must come to an end by
    /// itself, and must not be repeated by the caller without asking here again.
    ///
    /// # Errors
    /// As `send`; [`SendError::Unsent`] if it may not be presented now.
    pub async fn present(
        &self,
        token: &RefreshToken,
        send: impl AsyncFnOnce() -> Result<RawAnswer, SendError>,
    ) -> Result<RawAnswer, SendError> {
        let inner = &self.inner;
        let presented = token.digest();
        let lease = self.good_lease().ok_or_else(|| unsent(self.without_lease()))?;
        let (key, seen) = match self.permitted(presented, &lease).await? {
            Ok(granted) => granted,
            Err(answer) => return Ok(*answer),
        };
        let intent = Intent {
            id: fastrand::u64(1..),
            member: inner.options.name.clone(),
            lease: lease.id,
            presented,
            at: inner.clock.wall(),
            unclear_before: 0,
        };
        inner.active.borrow_mut().insert(intent.id);
        let answer = self.exchange(&key, seen, &lease, intent.clone(), send).await;
        inner.active.borrow_mut().remove(&intent.id);
        // An intent that was thought lost, and arrived while it was looked for, was left to this task; nobody would take it up later.
        let orphan = inner.grants.borrow().get(&key).and_then(|seen| inner.orphan(&key, &seen.record));
        if let Some(orphan) = orphan {
            self.owe(orphan, None);
        }
        answer
    }

    /// The grant with this token, if it may be presented: waits a little for another member. The inner error is the answer that another
    /// member got.
    async fn permitted(
        &self,
        presented: TokenDigest,
        lease: &Lease,
    ) -> Result<Result<(EntryKey, Seen), Box<RawAnswer>>, SendError> {
        let inner = &self.inner;
        let mut changed = inner.changed.subscribe();
        let until = tokio::time::Instant::now() + OTHERS_PATIENCE;
        let mut lease = lease.id;
        loop {
            let found = inner.holder_of(presented);
            let Some((key, seen)) = found else {
                return Err(unsent("the cluster holds another refresh token".to_owned()));
            };
            if self.owes(&key) {
                return Err(unsent("etcd does not have the last answer yet".to_owned()));
            }
            let refusal = match may_present(&seen, &key, lease, inner.clock.wall(), inner.clock.boot()) {
                Permission::Granted => return Ok(Ok((key, seen))),
                Permission::Answered(answer) => return Ok(Err(answer)),
                Permission::Refused(refusal) => refusal,
            };
            let busy = matches!(refusal, crate::Refusal::Busy { .. });
            if !busy || tokio::time::timeout_at(until, changed.changed()).await.is_err() {
                return Err(unsent(refusal.to_string()));
            }
            // What another caller of this member is told meanwhile is not for this one to decide upon.
            lease = NOBODYS;
        }
    }

    async fn exchange(
        &self,
        key: &EntryKey,
        seen: Seen,
        lease: &Lease,
        intent: Intent,
        send: impl AsyncFnOnce() -> Result<RawAnswer, SendError>,
    ) -> Result<RawAnswer, SendError> {
        let inner = &self.inner;
        let basis = self.intend(key, &seen, lease, &intent).await?;
        // The machine may have slept meanwhile, or this process been stopped: then others may think the intent abandoned.
        if self.good_lease().is_none_or(|now| now.id != lease.id) {
            let why = "the lease ended before the request was sent".to_owned();
            let owed = self.owed_for(key, &intent, None, true, why.clone());
            self.owe(owed, Some(basis));
            return Err(unsent(why));
        }
        let sent_at = inner.clock.wall();
        let answer = send().await;
        let owed = match &answer {
            Ok(raw) => self.owed_for(key, &intent, Some(raw.clone()), false, String::new()),
            Err(error) => {
                let nothing = matches!(error, SendError::Unsent { .. });
                self.owed_for(key, &intent, None, nothing, error.to_string())
            }
        };
        let owed = Owed { sent_at, ..owed };
        if owed.answer.is_some()
            && let Err(error) = inner.answers.keep(&inner.cluster_key, &owed)
        {
            // The engine's journal has it, too.
            inner.health.replace(super::Health::Unreachable { why: error.to_string() });
        }
        self.owe(owed, Some(basis));
        self.delivered(intent.id).await;
        answer
    }

    /// Writes the intent: only if the grant is as it was seen, nobody has claimed it, and the lease stands.
    async fn intend(
        &self,
        key: &EntryKey,
        seen: &Seen,
        lease: &Lease,
        intent: &Intent,
    ) -> Result<Basis, SendError> {
        let inner = &self.inner;
        let record = with_intent(&seen.record, intent.clone());
        let claim = ClaimText { member: intent.member.clone(), lease: lease.id, id: intent.id };
        let refused = |error: KvError| unsent(format!("etcd: {error}"));
        let claim_text = serde_json::to_string(&claim).unwrap_or_default();
        let txn = Txn {
            compare: vec![
                Compare { key: inner.grant_key(key), revision: seen.revision },
                Compare { key: inner.claim_key(key), revision: 0 },
                Compare { key: lease.key.clone(), revision: lease.revision },
            ],
            put: vec![
                Put {
                    key: inner.grant_key(key),
                    value: inner.sealed(key, &record).map_err(refused)?,
                    lease: None,
                },
                Put { key: inner.claim_key(key), value: claim_text, lease: Some(lease.id) },
            ],
            delete: Vec::new(),
        };
        let basis = match inner.noted(inner.kv.txn(&txn).await) {
            Ok(written) if written.succeeded => Basis { record, revision: written.revision },
            Ok(_) => {
                self.look_again(key).await;
                return Err(unsent("another member was first".to_owned()));
            }
            Err(error @ (KvError::Refused { .. } | KvError::Compacted)) => return Err(refused(error)),
            Err(error @ KvError::Unknown { .. }) => match self.was_written(key, intent.id).await {
                Some(basis) => basis,
                // If it is written after all, it will be seen that nothing was presented for it.
                None => return Err(refused(error)),
            },
        };
        self.learn_claimed(key, &basis, &claim);
        Ok(basis)
    }

    /// The record with this intent, if the transaction was done although its answer was lost.
    async fn was_written(&self, key: &EntryKey, id: u64) -> Option<Basis> {
        for _ in 0..LOOKS {
            self.good_lease()?;
            if let Ok(read) = self.read(key).await {
                let (basis, _) = read?;
                let ours = matches!(&basis.record.phase, crate::Phase::Presenting(intent) if intent.id == id);
                return ours.then_some(basis);
            }
        }
        None
    }

    /// Somebody has written it: the watch will say so, too, but perhaps later.
    async fn look_again(&self, key: &EntryKey) {
        if let Ok(Some((basis, claim))) = self.read(key).await {
            self.learn(key, basis.record, basis.revision);
            if let Some((text, revision)) = claim {
                let claim = crate::Claim { member: text.member, lease: text.lease, revision };
                self.inner.claimed(key, Some(claim), revision);
            }
        }
    }

    fn owed_for(
        &self,
        key: &EntryKey,
        intent: &Intent,
        answer: Option<RawAnswer>,
        unsent: bool,
        why: String,
    ) -> Owed {
        Owed { key: key.to_string(), intent: intent.clone(), sent_at: intent.at, answer, unsent, why }
    }

    async fn delivered(&self, id: u64) {
        let mut changed = self.inner.changed.subscribe();
        let done = async {
            while self.inner.owed.borrow().contains_key(&id) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // It goes on without this caller.
        let _ = tokio::time::timeout(DELIVERY_PATIENCE, done).await;
    }

    fn without_lease(&self) -> String {
        match self.health() {
            super::Health::Unreachable { why } => format!("etcd cannot be reached: {why}"),
            _ => "this member has no lease in etcd".to_owned(),
        }
    }
}

impl<K: KeyValues, C: Clock> super::Inner<K, C> {
    fn holder_of(&self, presented: TokenDigest) -> Option<(EntryKey, Seen)> {
        let grants = self.grants.borrow();
        let found = grants.iter().find(|(_, seen)| seen.refresh == Some(presented));
        found.map(|(key, seen)| (key.clone(), seen.clone()))
    }
}

fn unsent(why: String) -> SendError {
    SendError::Unsent { why, kind: UnsentKind::Other }
}
