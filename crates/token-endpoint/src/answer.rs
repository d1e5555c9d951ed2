use crate::SendError;
use oauth_secret::{AccessToken, RefreshToken};
use std::time::Duration;

/// The result of a refresh request, classified by what to do next.
///
/// Only [`Unsent`](Self::Unsent), [`Transient`](Self::Transient) and [`Refused`](Self::Refused) prove that the refresh token
/// was not consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an answer may hold the only copy of a rotated refresh token"]
pub enum Answer {
    /// A new pair. Save it before doing anything else.
    Fresh(TokenPair),
    /// This refresh token will never work again (RFC 6749, section 5.2: `invalid_grant`, and its equivalents).
    Dead {
        /// The server's error code.
        code: String,
        /// The server's description, sanitized and with possible tokens masked.
        detail: String,
    },
    /// The client registration is gone or its secret is wrong (RFC 6749, section 5.2: `invalid_client`).
    ClientDead {
        /// The server's error code.
        code: String,
        /// The server's description, sanitized.
        detail: String,
    },
    /// The request was rejected for another reason. `http_404`, `http_405`, `http_410` or a permanent redirect (`http_301`,
    /// `http_308`) means that the endpoint has moved: fetch the metadata again.
    Refused {
        /// The server's error code, or `http_` plus the status if there is none.
        code: String,
        /// The server's description, sanitized, or what is wrong with the response.
        detail: String,
    },
    /// A transient failure; nothing was consumed.
    Transient {
        /// What happened, for messages.
        why: String,
        /// The delay that the server asks for (`Retry-After`), at most an hour.
        retry_after: Option<Duration>,
    },
    /// The request was never sent.
    Unsent {
        /// What happened, for messages.
        why: String,
    },
    /// The request was sent, but whether the refresh token was consumed is unknown.
    Ambiguous {
        /// What happened, for messages.
        why: String,
        /// The response was lost or cut off, so the server has finished, and one early retry may still fall into its grace
        /// period. `false`: the server may still be working, or failed while it was.
        lost: bool,
    },
}

impl Answer {
    /// The kind of answer in one word, as in `status` and `history`.
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

/// The access and refresh tokens of one response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// The new access token.
    pub access_token: AccessToken,
    /// The new refresh token; `None` if the server does not rotate and the old one stays valid.
    pub refresh_token: Option<RefreshToken>,
    /// The access token's lifetime. `None` if the response states no plausible one: absent, not a number, 0, negative (a new
    /// token cannot be expired), or over a hundred years.
    pub expires_in: Option<Duration>,
    /// The refresh token's lifetime (`refresh_expires_in` of Keycloak, `refresh_token_expires_in` of others), by the same
    /// rules; Keycloak's 0 means that it never expires.
    pub refresh_expires_in: Option<Duration>,
    /// The granted scope, if stated; items are separated by single spaces.
    pub scope: Option<String>,
}
