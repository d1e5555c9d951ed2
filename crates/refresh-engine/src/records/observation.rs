//! Updates a record from the entry that the store holds.

use crate::{Now, ObservedEntry, Record, Verdict};
use jiff::Timestamp;

/// How many replaced pairs are remembered for one entry.
const REPLACED_KEPT: usize = 8;

impl Record {
    /// Takes note of what the store holds. If that is another refresh token than the remembered one, the verdict on the
    /// old one does not apply to the new one: a login clears a dead grant without notifying us.
    pub fn observe(&mut self, now: Now, seen: &ObservedEntry) {
        if self.refresh != seen.refresh {
            // Only a login shows the user's consent to the new address; until then the pin stays.
            if matches!(self.verdict, Verdict::EndpointMoved { .. }) && seen.refresh.is_some() {
                self.pin = None;
            }
            self.replace(seen);
            self.refresh = seen.refresh;
            self.since = Some(now.wall);
            self.landed_at = None;
            self.refresh_token_expires_at = seen.refresh_token_lapses_at().filter(|at| *at > now.wall);
            self.login_scope = seen.entry.scope.clone().filter(|scope| !scope.trim().is_empty());
            self.narrowing = None;
            self.resource = None;
            if let Some(cached) = &mut self.metadata {
                // A login uses the metadata published at its time; the remembered metadata is used if that cannot be read now.
                cached.fetched_at = Timestamp::UNIX_EPOCH;
            }
            self.verdict = Verdict::Good;
            self.trying = None;
            self.failures = 0;
            self.retry = None;
        }
        if self.access != seen.access {
            self.access = seen.access;
            let left = seen.left(now, self).and_then(|left| u64::try_from(left.as_secs()).ok());
            let left = left.filter(|seconds| *seconds > 0);
            // The lifetime that the server named for an earlier token holds until a token turns out to live longer.
            if !(self.lifetime_answered && left <= self.lifetime_s) {
                self.lifetime_s = left;
                self.lifetime_answered = false;
            }
        }
    }

    /// True if the store held this very pair before and another program replaced it. A different access token makes it a new pair:
    /// a server may issue the same refresh token at a new login.
    #[must_use]
    pub fn was_replaced(&self, seen: &ObservedEntry) -> bool {
        seen.refresh.zip(seen.access).is_some_and(|pair| self.replaced.contains(&pair))
    }

    /// Replaces the known pair with the one that was seen.
    fn replace(&mut self, by: &ObservedEntry) {
        // A stub replaces nothing: the pair it wiped may be good. And if an old pair comes back, the one it overwrote is the newer.
        let Some(known) = self.refresh.zip(self.access) else { return };
        if by.refresh.is_none() || self.was_replaced(by) || self.replaced.contains(&known) {
            return;
        }
        self.replaced.push(known);
        let surplus = self.replaced.len().saturating_sub(REPLACED_KEPT);
        self.replaced.drain(..surplus);
    }
}
