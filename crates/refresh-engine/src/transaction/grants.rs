//! One grant in several entries: a copied folder, a store restored from a backup, two names for one server. To the
//! server they are one refresh token, which may be presented once, so one transaction refreshes them: it holds the locks of all,
//! and its pair goes to every entry that holds the presented token.

use crate::decide::plan::held;
use crate::journal::OtherLock;
use crate::store_access::entry_state::EntryState;
use crate::store_access::shared::Shared;
use crate::store_access::shared_read::read_entry;
use crate::transaction::heal::{hand_over, with_tokens_of};
use crate::{Grants, ObservedEntry, Partners, Verdict};
use claude_store::{EntryKey, Store};
use oauth_secret::TokenDigest;
use std::rc::Rc;
use std::time::Duration;

/// A refresh token that may be spent, with an access token that is still good: presenting it again may end the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why it may be spent: how an answer was lost, or which refusal it was.
    pub why: String,
    /// The earliest time to present it again.
    pub wait: Duration,
}

/// An entry, and the keeper of its store.
pub(super) struct Holder<P: Partners> {
    pub(super) shared: Rc<Shared<P>>,
    pub(super) key: EntryKey,
}

/// The other entries of all stores that hold this refresh token for the same server, in a stable order. An entry of
/// another server never gets this one's token, whatever it holds.
pub(super) fn others<P: Partners>(shared: &Shared<P>, key: &EntryKey, token: TokenDigest) -> Vec<Holder<P>> {
    let mut others = Vec::new();
    let of = |state: &EntryState| state.current.as_ref()?.entry.server_url.clone();
    let Some(server) = shared.entries.borrow().get(key).and_then(|state| of(state)) else { return others };
    for keeper in shared.grants.keepers() {
        let own = std::ptr::eq(Rc::as_ptr(&keeper), shared);
        let holds = |state: &EntryState| {
            state.current.as_ref().is_some_and(|seen| {
                seen.refresh == Some(token) && seen.entry.server_url.as_ref() == Some(&server)
            })
        };
        let entries = keeper.entries.borrow();
        let holders = entries.iter().filter(|(other, state)| holds(state) && !(own && *other == key));
        others.extend(holders.map(|(key, _)| Holder { shared: Rc::clone(&keeper), key: key.clone() }));
    }
    others
}

impl<P: Partners> Grants<P> {
    /// Whether to leave this token to another entry: it is being presented, or another entry that holds it has a history with it, such as
    /// a failure whose pause is not over, or a verdict. What was learned there counts here, too.
    pub(crate) fn is_anothers(&self, shared: &Shared<P>, key: &EntryKey, token: TokenDigest) -> bool {
        if self.inner.presenting.borrow().contains_key(&token) {
            return true;
        }
        let has_history = |shared: &Shared<P>, key: &EntryKey| {
            shared.read_record(key, |record| {
                record.refresh == Some(token) && (record.verdict != Verdict::Good || record.failures > 0)
            })
        };
        let holders = others(shared, key, token);
        let mut known = holders.iter().filter(|other| has_history(&other.shared, &other.key)).peekable();
        if known.peek().is_none() {
            return false;
        }
        // If several have a history, one of them goes on.
        let name = |shared: &Shared<P>, key: &EntryKey| (shared.location().to_owned(), key.clone());
        !has_history(shared, key) || known.any(|other| name(&other.shared, &other.key) < name(shared, key))
    }

    /// Why this entry's token must not be presented now, not even at the user's request: what any entry has learned counts.
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
        let holders = others(shared, &seen.entry.key, token);
        let others = holders.iter().filter_map(|other| by(&other.shared, &other.key));
        by(shared, &seen.entry.key).into_iter().chain(others).max_by_key(|held| held.wait)
    }

    /// Whether a client has put another refresh token into an entry that is to hold none, because its grant is in this store. It may have
    /// exchanged this one for it.
    pub(crate) async fn is_superseded(&self, shared: &Shared<P>, seen: &ObservedEntry) -> bool {
        let key = &seen.entry.key;
        for keeper in self.keepers() {
            let elsewhere = keeper.disregarded.borrow().contains(key);
            if !elsewhere || std::ptr::eq(Rc::as_ptr(&keeper), shared) {
                continue;
            }
            // What cannot be read now is no reason to let a token expire.
            let Ok(reading) = read_entry(&keeper, key).await else { continue };
            let other =
                reading.seen.and_then(|seen| seen.refresh).filter(|other| Some(*other) != seen.refresh);
            if other.is_some_and(|other| !shared.read_record(key, |record| record.is_spent(other))) {
                keeper.returned.notify_one();
                return true;
            }
        }
        false
    }

    /// Marks the token as being presented until the guard is dropped.
    pub(crate) fn present(&self, token: TokenDigest) -> Presenting<P> {
        *self.inner.presenting.borrow_mut().entry(token).or_default() += 1;
        Presenting { grants: self.clone(), token }
    }

    /// The same, once no other transaction presents it. The second value says whether one did.
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

    /// Removes the locks that an earlier run held on other entries.
    pub(crate) fn remove_left_over(&self, locks: &[OtherLock]) {
        let keepers = self.keepers();
        for OtherLock { store, key, lock } in locks {
            let Some(keeper) = keepers.iter().find(|keeper| keeper.location() == store) else { continue };
            let key = EntryKey::new(key.as_str());
            if let Err(error) = keeper.store.locks().remove_left_over(&key, *lock) {
                // It goes stale for everybody within a minute.
                keeper.state_trouble(&error);
            }
        }
    }

    /// Writes the pair obtained for `key` into every other entry that still holds the presented token.
    pub(crate) async fn hand_over(&self, shared: &Shared<P>, key: &EntryKey, presented: TokenDigest) {
        let Some(new) = shared.state(key, |state| state.current.clone()) else { return };
        let record = shared.read_record(key, Clone::clone);
        for other in others(shared, key, presented) {
            hand_over(&other.shared, &other.key, presented, &new, &record).await;
            other.shared.ended.notify_one();
        }
    }

    /// The pair that another entry obtained for the token that this one still holds, in this entry's form.
    pub(crate) fn successor(&self, shared: &Shared<P>, seen: &ObservedEntry) -> Option<ObservedEntry> {
        let spent = seen.refresh?;
        self.keepers().iter().find_map(|keeper| {
            let own = std::ptr::eq(Rc::as_ptr(keeper), shared);
            let entries = keeper.entries.borrow();
            let others = entries.iter().filter(|(key, _)| !(own && **key == seen.entry.key));
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

/// Marks a refresh token as being presented, until dropped.
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
            // Entries with the same token waited for this.
            keeper.ended.notify_one();
        }
    }
}
