//! What only a person can mend.

use crate::decide::apply_answer::passes_by_itself;
use crate::{ObservedEntry, Record, Verdict};
use jiff::SignedDuration;

/// A refused refresh is tried this often before a person is asked.
const REFUSED_TRIES: u32 = 3;
/// A refusal that passes by itself, for some four hours.
const PASSING_TRIES: u32 = 20;
/// A server that answers that it failed is asked this often, for about an hour, before a person learns of it.
const FAILING_TRIES: u32 = 15;

/// Why only a person can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The entry holds no tokens: never logged in, logged out, or wiped by a failed refresh.
    Stub,
    /// The server gave no refresh token, and the access token is about to end.
    NoRefreshToken,
    /// The grant is dead.
    Dead {
        /// What the server said.
        code: String,
    },
    /// The server no longer knows the client registration.
    ClientDead {
        /// What the server said.
        code: String,
    },
    /// The server keeps refusing without saying why the token would be dead.
    Refused {
        /// What the server said.
        code: String,
    },
    /// The server answers that it failed, again and again, and the access token has ended.
    ServerFails {
        /// What it says.
        why: String,
    },
    /// The store holds a refresh token that was already exchanged, and nobody holds its successor.
    Spent,
    /// The server now names another place for its tokens.
    EndpointMoved {
        /// Where this grant's refresh token went so far.
        from: String,
        /// Where the server wants it now.
        to: String,
    },
    /// No token endpoint that may be used.
    NoEndpoint {
        /// Why.
        why: String,
    },
    /// The entry names no server.
    NoServerUrl,
}

impl Need {
    /// What an entry without a refresh token needs.
    pub(crate) fn without_refresh_token(seen: &ObservedEntry) -> Self {
        if seen.entry.is_stub() { Self::Stub } else { Self::NoRefreshToken }
    }

    /// Whether a person who was told of the other one learns nothing new: a server that fails does so in many words.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::ServerFails { .. }, Self::ServerFails { .. })) || self == other
    }
}

/// What keeps this refresh token from being presented until a person did something. Holds invariant I1: a token that is
/// known to be spent or dead is never presented.
pub(crate) fn need_of(seen: &ObservedEntry, record: &Record, left: Option<SignedDuration>) -> Option<Need> {
    if seen.entry.server_url.is_none() {
        return Some(Need::NoServerUrl);
    }
    if seen.refresh.is_some_and(|refresh| record.is_spent(refresh)) {
        return Some(Need::Spent);
    }
    match record.verdict.clone() {
        // Whoever looks is told what the server says; nobody is called before it has said so for the last time.
        Verdict::Dead { code } | Verdict::Suspect { code, looks: 1.., .. } => Some(Need::Dead { code }),
        Verdict::ClientDead { code } => Some(Need::ClientDead { code }),
        Verdict::Refused { code, tries }
            if tries >= if passes_by_itself(&code) { PASSING_TRIES } else { REFUSED_TRIES } =>
        {
            Some(Need::Refused { code })
        }
        Verdict::Ambiguous { why, .. }
            if record.server_failures >= FAILING_TRIES
                && left.is_some_and(|left| left <= SignedDuration::ZERO) =>
        {
            Some(Need::ServerFails { why })
        }
        Verdict::EndpointMoved { from, to } => Some(Need::EndpointMoved { from, to }),
        Verdict::NoEndpoint { why } => Some(Need::NoEndpoint { why }),
        _ => None,
    }
}
