use crate::SendError;
use oauth_secret::{AccessToken, RefreshToken};
use std::time::Duration;

/// What became of one refresh request, sorted by what has to be done next.
///
/// Only [`Unsent`](Self::Unsent), [`Transient`](Self::Transient) and [`Refused`](Self::Refused) prove that the refresh token
/// was not consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an answer may hold the only copy of a rotated refresh token"]
pub enum Answer {
    /// A new pair: it has to be saved before anything else happens.
    Fresh(TokenPair),
    /// This refresh token will never work again (RFC 6749, section 5.2: `invalid_grant`, and what servers say instead).
    Dead {
        /// The error code as the server gave it.
        code: String,
        /// The server's words, made safe for a terminal and without anything that looks like a token.
        detail: String,
    },
    /// The client's registration is gone or its secret is wrong (RFC 6749, section 5.2: `invalid_client`).
    ClientDead {
        /// The error code as the server gave it.
        code: String,
        /// The server's words, cleaned.
        detail: String,
    },
    /// The request was turned down for another reason. A code `http_404`, `http_405` or `http_410`, or one of a permanent
    /// redirect (`http_301`, `http_308`), says that the endpoint itself is no longer there: look the metadata up again.
    Refused {
        /// The error code as the server gave it, or `http_` and the status where it gave none.
        code: String,
        /// The server's words, cleaned, or what was wrong with the answer.
        detail: String,
    },
    /// A passing failure; nothing was consumed.
    Transient {
        /// What happened, for people.
        why: String,
        /// How long the server asks to be left alone (`Retry-After`), at most an hour.
        retry_after: Option<Duration>,
    },
    /// The request never left this machine.
    Unsent {
        /// What happened, for people.
        why: String,
    },
    /// The request was sent and nobody knows whether the refresh token is spent.
    Ambiguous {
        /// What happened, for people.
        why: String,
        /// The answer was lost on its way or cut: nobody works on the request any more, and one early retry may still fall
        /// inside the server's grace. `false`: the server may still be working on it, or failed while it was.
        lost: bool,
    },
}

impl Answer {
    /// The kind of this answer in one word, as it stands in `status` and `history`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fresh(_) => "fresh",
            Self::Dead { .. } => "dead",
            Self::ClientDead { .. } => "client_dead",
            Self::Refused { .. } => "refused",
            Self::Transient { .. } => "transient",
            Self::Unsent { .. } => "unsent",
            Self::Ambiguous { .. } => "ambiguous",
        }
    }
}

impl From<SendError> for Answer {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unsent { why, .. } => Self::Unsent { why },
            SendError::Lost { why } => Self::Ambiguous { why, lost: true },
            SendError::TooBig { why } | SendError::TimedOut { why } => Self::Ambiguous { why, lost: false },
        }
    }
}

/// The access and the refresh token of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// The new access token.
    pub access_token: AccessToken,
    /// The new refresh token; `None`: the server does not rotate, the old one goes on.
    pub refresh_token: Option<RefreshToken>,
    /// The access token's lifetime. `None` where the answer does not say it in a way that can be meant: absent, not a
    /// number, 0, negative (a token just issued is not expired), or over a hundred years.
    pub expires_in: Option<Duration>,
    /// The refresh token's own lifetime (`refresh_expires_in` of Keycloak, `refresh_token_expires_in` of others), by the
    /// same rules; Keycloak's 0 means that it does not end.
    pub refresh_expires_in: Option<Duration>,
    /// The scope granted, where it is named; its items are separated by one space.
    pub scope: Option<String>,
}
