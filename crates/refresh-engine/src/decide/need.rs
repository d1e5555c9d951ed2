//! What only the user can fix.

use crate::decide::apply_answer::passes_by_itself;
use crate::{ObservedEntry, Record, Verdict};
use jiff::SignedDuration;

/// How often to try a refused refresh before asking the user.
const REFUSED_TRIES: u32 = 3;
/// The same for a refusal that passes by itself: some four hours.
const PASSING_TRIES: u32 = 20;
/// How often to try a server that reports its own failure, for about an hour, before telling the user.
const FAILING_TRIES: u32 = 15;

/// Why only the user can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The entry holds no tokens: never logged in, logged out, or wiped by a failed refresh.
    Stub,
    /// The server issued no refresh token, and the access token is about to expire.
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
    /// The server keeps reporting its own failure, and the access token has expired.
    ServerFails {
        /// What it says.
        why: String,
    },
    /// The store holds a refresh token that was already exchanged, and its successor is lost.
    Spent,
    /// The metadata now names a token endpoint at another origin.
    EndpointMoved {
        /// The origin that this grant's refresh token was sent to so far.
        from: String,
        /// The origin that the metadata names now.
        to: String,
    },
    /// There is no usable token endpoint.
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

    /// Whether this is no news to a user who knows the other one: a failing server words its failures differently.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::ServerFails { .. }, Self::ServerFails { .. })) || self == other
    }
}

/// What keeps this refresh token from being presented until the user acts. Upholds invariant I1: a token that is
/// known to be spent or dead is never presented.
pub(crate) fn need_of(seen: &ObservedEntry, record: &Record, left: Option<SignedDuration>) -> Option<Need> {
    if seen.entry.server_url.is_none() {
        return Some(Need::NoServerUrl);
    }
    if seen.refresh.is_some_and(|refresh| record.is_spent(refresh)) {
        return Some(Need::Spent);
    }
    match record.verdict.clone() {
        // `status` shows what the server says; the user is notified only after the last try.
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
