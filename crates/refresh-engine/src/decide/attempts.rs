//! The requests of one transaction: which one comes next, and whose answer counts. Most transactions make one.

use crate::Now;
use crate::decide::authentication::{is_about_the_client, misses_the_id};
use crate::decide::early_retry::ask_again_after;
use std::collections::VecDeque;
use std::time::Duration;
use token_endpoint::{Answer, ClientAuth, RequestShape, next_shape};

/// How many other shapes are tried in one transaction.
const MOST_SHAPES: usize = 2;

/// What was sent so far, and what may be sent next.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    /// The shape of the next request, or of the last one.
    pub(crate) shape: RequestShape,
    /// The shape that the last refusal asks for.
    pub(crate) other: Option<RequestShape>,
    /// How the client may still say who it is, the next way first.
    pub(crate) ways: VecDeque<ClientAuth>,
    /// The entry names a scope.
    pub(crate) has_scope: bool,
    /// The metadata names another `resource` than the server's own URL.
    pub(crate) names_another: bool,
    /// The client has an id.
    pub(crate) has_client_id: bool,
    /// Shapes that were refused.
    pub(crate) refused: Vec<RequestShape>,
    /// The first answer that left it open what became of the token, and when its request was sent.
    pub(crate) lost: Option<(Answer, Now)>,
}

/// What is true besides the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Another shape may be tried now.
    pub(crate) may_vary: bool,
    /// An earlier transaction left it open what became of this token.
    pub(crate) was_left_open: bool,
    /// The daemon is stopping.
    pub(crate) stopping: bool,
    /// The answer was too big to be one: the next one would be as well.
    pub(crate) oversized: bool,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Present the token once more: the server has not looked at it.
    Again,
    /// Present it once more after this time: nobody knows what became of it (I1).
    AgainAfter(Duration),
    /// Nothing more is sent.
    Nothing,
}

impl Attempts {
    /// How the client says who it is in the next request.
    pub(crate) fn auth(&self) -> ClientAuth {
        self.ways.front().copied().unwrap_or(ClientAuth::None)
    }

    /// What follows from this answer, which came just now to the request that was sent then.
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
        // A server looks at who the client is before it looks at the token.
        if is_about_the_client(answer, auth) && self.ways.len() > 1 {
            self.ways.pop_front();
            return Next::Again;
        }
        // What was refused a moment ago is refused again.
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

    /// The answer that counts. What a second request was told says nothing of the first, unless it settles what became of the token.
    pub(crate) fn counting(&mut self, last: Answer, sent_at: Now) -> (Answer, Now) {
        let settled = matches!(last, Answer::Fresh(_) | Answer::Dead { .. } | Answer::ClientDead { .. });
        self.lost.take().filter(|_| !settled).unwrap_or((last, sent_at))
    }
}
