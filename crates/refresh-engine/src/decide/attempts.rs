//! The requests of one transaction: which comes next, and which answer counts. Most transactions send one.

use crate::Now;
use crate::decide::authentication::{is_about_the_client, misses_the_id};
use crate::decide::early_retry::ask_again_after;
use std::collections::VecDeque;
use std::time::Duration;
use token_endpoint::{Answer, ClientAuth, RequestShape, next_shape};

/// How many other request shapes one transaction may try.
const MOST_SHAPES: usize = 2;

/// What was sent so far and what may be sent next.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    /// The shape of the next request, or of the last one.
    pub(crate) shape: RequestShape,
    /// The shape that the last refusal asked for.
    pub(crate) other: Option<RequestShape>,
    /// The client authentication methods left to try, the next one first.
    pub(crate) ways: VecDeque<ClientAuth>,
    /// The entry names a scope.
    pub(crate) has_scope: bool,
    /// The metadata names a `resource` other than the server's own URL.
    pub(crate) names_another: bool,
    /// The client has an id.
    pub(crate) has_client_id: bool,
    /// Shapes that were refused.
    pub(crate) refused: Vec<RequestShape>,
    /// The first answer that left the token's fate open, and when its request was sent.
    pub(crate) lost: Option<(Answer, Now)>,
}

/// Circumstances besides the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Another shape may be tried now.
    pub(crate) may_vary: bool,
    /// An earlier transaction left this token's fate open.
    pub(crate) was_left_open: bool,
    /// The agent is stopping.
    pub(crate) stopping: bool,
    /// The answer was too large, and the next one would be, too.
    pub(crate) oversized: bool,
}

/// What to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Present the token once more: the server has not evaluated it.
    Again,
    /// Present it once more after this time: its fate is unknown (I1).
    AgainAfter(Duration),
    /// Send nothing more.
    Nothing,
}

impl Attempts {
    /// The client authentication method of the next request.
    pub(crate) fn auth(&self) -> ClientAuth {
        self.ways.front().copied().unwrap_or(ClientAuth::None)
    }

    /// What to do after this answer, which has just arrived for the request sent at that time.
    pub(crate) fn next(
        &mut self,
        answer: &Answer,
        sent_at: Now,
        now: Now,
        circumstances: Circumstances,
    ) -> Next {
        let Circumstances { may_vary, was_left_open, stopping, oversized } = circumstances;
        let auth = self.auth();
        self.other = next_shape(self.shape, answer, self.has_scope, self.names_another);
        if misses_the_id(answer, auth) && self.has_client_id && !self.ways.contains(&ClientAuth::BasicAndId) {
            self.ways.push_back(ClientAuth::BasicAndId);
        }
        // A server authenticates the client before it looks at the token.
        if is_about_the_client(answer, auth) && self.ways.len() > 1 {
            self.ways.pop_front();
            return Next::Again;
        }
        // A shape that was just refused will be refused again.
        let untried = self.other.filter(|other| !self.refused.contains(other));
        if let Some(other) = untried.filter(|_| self.refused.len() < MOST_SHAPES && may_vary) {
            self.refused.push(self.shape);
            self.shape = other;
            return Next::Again;
        }
        let since_first = self.lost.as_ref().map(|(_, first)| now.boot.saturating_sub(first.boot));
        let pause = ask_again_after(answer, since_first, was_left_open, stopping);
        match pause.filter(|_| !oversized) {
            Some(pause) => {
                self.lost.get_or_insert_with(|| (answer.clone(), sent_at));
                Next::AgainAfter(pause)
            }
            None => Next::Nothing,
        }
    }

    /// The answer that counts. The answer to a second request says nothing about the first, unless it settles the token's fate.
    pub(crate) fn counting(&mut self, last: Answer, sent_at: Now) -> (Answer, Now) {
        let settled = matches!(last, Answer::Fresh(_) | Answer::Dead { .. } | Answer::ClientDead { .. });
        self.lost.take().filter(|_| !settled).unwrap_or((last, sent_at))
    }
}
