use super::Faults;
use oauth_secret::{RefreshToken, TokenDigest};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use token_endpoint::{RawAnswer, SendError};
use tokio::time::{Instant, sleep};

/// A token server that rotates, and remembers who presented what.
pub(crate) struct FakeServer {
    state: RefCell<State>,
    lost_answers: f64,
    stopped: Cell<bool>,
}

#[derive(Default)]
struct State {
    number: u64,
    current: BTreeMap<usize, TokenDigest>,
    of: BTreeMap<TokenDigest, usize>,
    presented: BTreeMap<TokenDigest, u32>,
    lost: BTreeSet<usize>,
    answered: BTreeMap<TokenDigest, Instant>,
    seen: BTreeMap<TokenDigest, BTreeSet<usize>>,
    slowest: Duration,
    refreshes: usize,
}

/// Nobody received the answer, unless it was.
struct OnItsWay<'a>(&'a FakeServer, usize);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().lost.insert(self.1);
    }
}

impl FakeServer {
    pub(crate) fn new(lost_answers: f64) -> Self {
        Self { state: RefCell::default(), lost_answers, stopped: Cell::new(false) }
    }

    pub(crate) fn login(&self, grant: usize) -> String {
        let mut state = self.state.borrow_mut();
        state.number += 1;
        let token = format!("rt_{}", state.number);
        state.current.insert(grant, TokenDigest::of(&token));
        state.of.insert(TokenDigest::of(&token), grant);
        token
    }

    pub(crate) async fn refresh(&self, token: RefreshToken, faults: &Faults) -> Result<RawAnswer, SendError> {
        // The connection is made right after the last look at the clock; what takes time comes after.
        let presented = token.digest();
        let grant = {
            let mut state = self.state.borrow_mut();
            *state.presented.entry(presented).or_default() += 1;
            state.of[&presented]
        };
        let way = OnItsWay(self, grant);
        sleep(Duration::from_millis(fastrand::u64(1..30))).await;
        let fresh = self.state.borrow().current[&grant] == presented;
        let new = if fresh { Some(self.login(grant)) } else { None };
        sleep(Duration::from_millis(fastrand::u64(1..30))).await;
        faults.unpaused().await;
        if fastrand::f64() < self.lost_answers {
            return Err(SendError::Lost { why: "the connection was lost".to_owned() });
        }
        std::mem::forget(way);
        let Some(new) = new else { return Ok(RawAnswer::new(400, r#"{"error":"invalid_grant"}"#)) };
        let mut state = self.state.borrow_mut();
        state.refreshes += 1;
        state.answered.insert(TokenDigest::of(&new), Instant::now());
        Ok(RawAnswer::new(
            200,
            format!(r#"{{"access_token":"at","refresh_token":"{new}","expires_in":7200}}"#),
        ))
    }

    pub(crate) fn stop(&self) {
        self.stopped.set(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// A member knows this token.
    pub(crate) fn seen(&self, token: TokenDigest, member: usize) {
        let mut state = self.state.borrow_mut();
        let new = state.seen.entry(token).or_default().insert(member);
        if let (true, Some(at)) = (new, state.answered.get(&token)) {
            state.slowest = at.elapsed().max(state.slowest);
        }
    }

    pub(crate) fn unseen(&self, grant: usize, members: usize) -> usize {
        let state = self.state.borrow();
        members - state.seen.get(&state.current[&grant]).map_or(0, BTreeSet::len)
    }

    pub(crate) fn current(&self, grant: usize) -> TokenDigest {
        self.state.borrow().current[&grant]
    }

    pub(crate) fn has_lost_answer(&self, grant: usize) -> bool {
        self.state.borrow().lost.contains(&grant)
    }

    pub(crate) fn presented_twice(&self) -> usize {
        self.state.borrow().presented.values().filter(|times| **times > 1).count()
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.state.borrow().refreshes
    }

    pub(crate) fn slowest(&self) -> Duration {
        self.state.borrow().slowest
    }
}
