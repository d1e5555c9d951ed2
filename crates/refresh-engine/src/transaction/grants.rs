//! One grant in several entries: a folder that is a copy of another, a store restored from a backup, two names of one server. To the
//! server they are one refresh token, which may be presented once, so they are refreshed by one transaction: it holds the locks of all,
//! and its pair goes to every entry that holds what was presented.

use crate::decide::plan::held;
use crate::journal::OtherLock;
use crate::store_access::shared::Shared;
use crate::store_access::tracked::Tracked;
use crate::transaction::heal::{hand_over, with_tokens_of};
use crate::{Grants, ObservedEntry, Partners, Verdict};
use claude_store::{EntryKey, LockError, RefreshLock, Store};
use oauth_secret::TokenDigest;
use std::rc::Rc;
use std::time::Duration;

/// A refresh token that may be spent, beside an access token that is still good: presenting it once more may end the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What left it open: how an answer was lost, or which refusal it was.
    pub why: String,
    /// It is presented again after this time at the earliest.
    pub wait: Duration,
}

/// An entry, and the keeper of its store.
struct Holder<P: Partners> {
    shared: Rc<Shared<P>>,
    key: EntryKey,
}

impl<P: Partners> Grants<P> {
    /// The other entries that hold this refresh token for the same server, of all stores, in an order that does not change. What names
    /// another server never gets a token of this one, whatever it holds.
    fn others(&self, shared: &Shared<P>, key: &EntryKey, token: TokenDigest) -> Vec<Holder<P>> {
        let mut others = Vec::new();
        let server_of = |known: &Tracked| known.current.as_ref()?.entry.server_url.clone();
        let Some(server) = shared.tracked.borrow().get(key).and_then(server_of) else { return others };
        for keeper in self.keepers() {
            let own = std::ptr::eq(Rc::as_ptr(&keeper), shared);
            let tracked = keeper.tracked.borrow();
            let holds = |known: &Tracked| {
                known.current.as_ref().is_some_and(|seen| {
                    seen.refresh == Some(token) && seen.entry.server_url.as_ref() == Some(&server)
                })
            };
            let keys: Vec<EntryKey> = tracked
                .iter()
                .filter(|(other, known)| !(own && *other == key) && holds(known))
                .map(|(key, _)| key.clone())
                .collect();
            drop(tracked);
            others.extend(keys.into_iter().map(|key| Holder { shared: Rc::clone(&keeper), key }));
        }
        others
    }

    /// Whether somebody else is to present this token: it is being presented, or another entry that holds it has a history with it, be it
    /// a failure whose pause is not over or a verdict. What was learned there counts here, too.
    pub(crate) fn is_anothers(&self, shared: &Shared<P>, key: &EntryKey, token: TokenDigest) -> bool {
        if self.inner.presenting.borrow().contains_key(&token) {
            return true;
        }
        let has_history = |shared: &Shared<P>, key: &EntryKey| {
            shared.read_record(key, |record| {
                record.refresh == Some(token) && (record.verdict != Verdict::Good || record.failures > 0)
            })
        };
        let others = self.others(shared, key, token);
        let mut known = others.iter().filter(|other| has_history(&other.shared, &other.key)).peekable();
        if known.peek().is_none() {
            return false;
        }
        // Of several that know something one goes on.
        let name = |shared: &Shared<P>, key: &EntryKey| (shared.location().to_owned(), key.clone());
        !has_history(shared, key) || known.any(|other| name(&other.shared, &other.key) < name(shared, key))
    }

    /// Why nobody may present this entry's token now, not even at a person's word: what was learned of it anywhere counts.
    pub(crate) fn held(&self, shared: &Shared<P>, seen: &ObservedEntry) -> Option<Held> {
        let token = seen.refresh?;
        let now = shared.now();
        let by = |shared: &Shared<P>, key: &EntryKey| {
            shared.read_record(key, |record| {
                let wait = held(now, seen, record);
                let why = match &record.verdict {
                    Verdict::Ambiguous { why, .. } | Verdict::Suspect { code: why, .. } => why.clone(),
                    _ => String::new(),
                };
                (record.refresh == Some(token) && !wait.is_zero()).then_some(Held { why, wait })
            })
        };
        let others = self.others(shared, &seen.entry.key, token);
        let others = others.iter().filter_map(|other| by(&other.shared, &other.key));
        by(shared, &seen.entry.key).into_iter().chain(others).max_by_key(|held| held.wait)
    }

    /// Marks the token as being presented until the guard is dropped.
    pub(crate) fn present(&self, token: TokenDigest) -> Presenting<P> {
        *self.inner.presenting.borrow_mut().entry(token).or_default() += 1;
        Presenting { grants: self.clone(), token }
    }

    /// The same, once nobody else presents it. The second value says that somebody did.
    pub(crate) async fn present_after_others(&self, token: TokenDigest) -> (Presenting<P>, bool) {
        let mut waited = false;
        loop {
            let presented = self.inner.presented.notified();
            if !self.inner.presenting.borrow().contains_key(&token) {
                return (self.present(token), waited);
            }
            waited = true;
            presented.await;
        }
    }

    /// Takes the refresh locks of all other entries that hold this token: their clients would present it, too. Where a lock cannot be made
    /// by anybody, no client can either hold it or write there.
    pub(crate) async fn lock_others(
        &self,
        shared: &Shared<P>,
        key: &EntryKey,
        token: TokenDigest,
        patience: Duration,
    ) -> Result<Others<P>, LockError> {
        let mut locks = Vec::new();
        for holder in self.others(shared, key, token) {
            match holder.shared.store.locks().refresh_lock(&holder.key, patience).await {
                Ok(lock) => locks.push(Locked { holder, lock }),
                Err(error @ (LockError::Held { .. } | LockError::Lost { .. })) => {
                    release(locks);
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        Ok(Others { grants: self.clone(), locks })
    }

    /// Takes away the locks that a life before this one held in other entries.
    pub(crate) fn remove_left_over(&self, locks: &[OtherLock]) {
        let keepers = self.keepers();
        for OtherLock { store, key, lock } in locks {
            let Some(keeper) = keepers.iter().find(|keeper| keeper.location() == store) else { continue };
            let key = EntryKey::new(key.as_str());
            if let Err(error) = keeper.store.locks().remove_left_over(&key, *lock) {
                // It looks dead to everybody within a minute.
                keeper.state_trouble(&error);
            }
        }
    }

    /// Writes what was obtained for `key` into every other entry that still holds what was presented.
    pub(crate) async fn hand_over(&self, shared: &Shared<P>, key: &EntryKey, presented: TokenDigest) {
        let Some(new) = shared.track(key, |tracked| tracked.current.clone()) else { return };
        let record = shared.read_record(key, Clone::clone);
        for other in self.others(shared, key, presented) {
            hand_over(&other.shared, &other.key, presented, &new, &record).await;
            other.shared.ended.notify_one();
        }
    }

    /// The pair that another entry got for the token that this one still holds, as it would stand here.
    pub(crate) fn successor(&self, shared: &Shared<P>, seen: &ObservedEntry) -> Option<ObservedEntry> {
        let spent = seen.refresh?;
        self.keepers().iter().find_map(|keeper| {
            let own = std::ptr::eq(Rc::as_ptr(keeper), shared);
            let tracked = keeper.tracked.borrow();
            let others = tracked.iter().filter(|(key, _)| !(own && **key == seen.entry.key));
            let mut candidates = others.filter_map(|(key, known)| Some((key, known.current.as_ref()?)));
            let successor = candidates.find(|(key, other)| {
                keeper.read_record(key, |record| {
                    let same_server =
                        seen.entry.server_url.is_some() && other.entry.server_url == seen.entry.server_url;
                    let live = same_server && other.refresh.is_some_and(|refresh| !record.is_spent(refresh));
                    live && other.refresh == record.refresh && record.is_spent(spent)
                })
            });
            successor.map(|(_, other)| with_tokens_of(seen, other))
        })
    }
}

/// A refresh token is being presented, until this is dropped.
#[must_use = "the token counts as presented only while this lives"]
pub(crate) struct Presenting<P: Partners> {
    grants: Grants<P>,
    token: TokenDigest,
}

impl<P: Partners> Drop for Presenting<P> {
    fn drop(&mut self) {
        let mut presenting = self.grants.inner.presenting.borrow_mut();
        let left = presenting.get(&self.token).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            presenting.remove(&self.token);
        } else {
            presenting.insert(self.token, left);
        }
        drop(presenting);
        self.grants.inner.presented.notify_waiters();
        for keeper in self.grants.keepers() {
            // Whoever holds the same token waited for this.
            keeper.ended.notify_one();
        }
    }
}

/// The locks of the other entries that hold a token.
#[must_use = "the locks are held only while this lives"]
pub(crate) struct Others<P: Partners> {
    grants: Grants<P>,
    locks: Vec<Locked<P>>,
}

struct Locked<P: Partners> {
    holder: Holder<P>,
    lock: RefreshLock<P::Files>,
}

impl<P: Partners> Others<P> {
    /// Writes the pair that was obtained into every other entry, and gives their locks back.
    pub(crate) async fn hand_over(self, shared: &Shared<P>, key: &EntryKey, presented: TokenDigest) {
        self.grants.hand_over(shared, key, presented).await;
        self.release();
    }

    /// The locks as the journal keeps them, so that the next start can take them away at once.
    pub(crate) fn for_journal(&self) -> Vec<OtherLock> {
        let other = |Locked { holder, lock }: &Locked<P>| OtherLock {
            store: holder.shared.location().to_owned(),
            key: holder.key.to_string(),
            lock: lock.identity(),
        };
        self.locks.iter().map(other).collect()
    }

    /// Gives the locks back.
    pub(crate) fn release(self) {
        release(self.locks);
    }
}

fn release<P: Partners>(locks: Vec<Locked<P>>) {
    for Locked { lock, .. } in locks {
        // A lock that is no longer ours is left alone.
        let _ = lock.release();
    }
}
