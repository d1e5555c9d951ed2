//! Access tokens for programs that ask for them. Refresh tokens never leave the keeper this way.

use super::refreshed::RefreshedHow;
use super::state::KeeperState;
use crate::decide::need::Need;
use crate::decide::plan::plan;
use crate::decide::planned::{Plan, Until};
use crate::decide::supply::{self, Supply};
use crate::transaction::Demand;
use crate::{Activity, ObservedEntry, Partners};
use claude_store::EntryKey;
use jiff::Timestamp;
use oauth_secret::AccessToken;
use std::rc::Rc;
use std::time::Duration;

/// One entry, as far as a program that wants its access token may know it.
#[derive(Clone, Debug)]
pub struct AccessGrant {
    /// Its key in the document.
    pub key: EntryKey,
    /// Its server's name.
    pub name: String,
    /// Its server's URL, to which alone the token may be sent.
    pub url: Option<String>,
    /// The token; `None` if the entry has none.
    pub token: Option<AccessToken>,
    /// When it expires, if known.
    pub expires_at: Option<Timestamp>,
    /// What only the user can do.
    pub need: Option<Need>,
    /// How long the pause after its last refresh still takes, if only that keeps it from being refreshed.
    pub pause: Option<Duration>,
}

/// Why a token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To connect.
    First,
    /// In place of the present one, which the server refused.
    Another,
}

impl<P: Partners> KeeperState<P> {
    pub(super) fn current(&self, key: &EntryKey) -> Option<Rc<ObservedEntry>> {
        self.shared.entries.borrow().get(key)?.current.clone()
    }

    pub(super) fn grant(&self, seen: &ObservedEntry) -> AccessGrant {
        let (shared, now) = (&self.shared, self.shared.now());
        let policy = shared.policy.borrow();
        let planned = shared
            .read_record(&seen.entry.key, |record| plan(now, seen, record, &Activity::default, &policy));
        let (need, pause) = match planned {
            Plan::NeedsPerson(need) => (Some(need), None),
            Plan::Sleep { wait, until: Until::Retry } => (None, Some(wait)),
            _ => (None, None),
        };
        AccessGrant {
            key: seen.entry.key.clone(),
            name: seen.entry.server_name.clone(),
            url: seen.entry.server_url.clone(),
            token: seen.entry.access_token.clone(),
            expires_at: seen.expiry.moment(),
            need,
            pause,
        }
    }

    fn supply(&self, seen: &ObservedEntry) -> Supply {
        let (shared, now) = (&self.shared, self.shared.now());
        let policy = shared.policy.borrow();
        shared.read_record(&seen.entry.key, |record| {
            supply::supply(now, seen, record, &shared.activity(), &policy)
        })
    }

    pub(super) async fn renew(self: &Rc<Self>, key: &EntryKey, wanted: Wanted) -> Option<RefreshedHow> {
        let seen = self.current(key)?;
        if self.is_running(key) {
            let is_enough = || {
                let now = self.shared.now();
                self.shared.read_record(key, |record| supply::is_enough(now, &seen, record))
            };
            if wanted == Wanted::First && is_enough() {
                return None;
            }
            self.run_ended(key).await;
            return Some(RefreshedHow::Running);
        }
        let demand = match (wanted, self.supply(&seen)) {
            (Wanted::Another, _) => self.demanded(&seen, true),
            (Wanted::First, Supply::AsItIs) => return None,
            (Wanted::First, Supply::Refresh) => Ok(Demand::Planned),
            (Wanted::First, Supply::RefreshNow) => Ok(Demand::Forced),
        };
        // Before anything is waited for: others that ask in the same moment wait for this one.
        let begun = match demand.and_then(|demand| self.begun(&seen, demand)) {
            Ok(begun) => begun,
            Err(how) => return Some(how),
        };
        let inner = Rc::clone(self);
        // I6: it goes on if nobody waits for it any longer.
        let task = compact::spawn_local(async move { inner.carry_out(seen, begun).await });
        Some(task.await.unwrap_or_else(|_| RefreshedHow::Failed("the refresh was stopped".into())))
    }

    pub(super) fn is_running(&self, key: &EntryKey) -> bool {
        self.shared.entries.borrow().get(key).is_some_and(|known| known.is_running())
    }

    /// Returns when the entry's run has ended.
    async fn run_ended(&self, key: &EntryKey) {
        loop {
            // Listen before looking: the end must not fall in between.
            let ended = self.run_over.notified();
            if !self.is_running(key) {
                return;
            }
            ended.await;
        }
    }
}
