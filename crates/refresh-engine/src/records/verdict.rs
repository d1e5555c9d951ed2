use serde::{Deserialize, Serialize};

/// What we believe about a refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    #[default]
    Good,
    /// Called dead or refused while its access token was still good: to be rechecked before it is believed.
    Suspect {
        /// What the server said.
        code: String,
        /// Refused because of the request's shape, which some servers check after spending the token: presented again only when the client would, too.
        #[serde(default)]
        reuse: bool,
        /// How often it was called dead when its access token had expired or was about to: a server may do so while it is being redeployed.
        #[serde(default)]
        looks: u32,
    },
    /// The server says that it will never work again.
    Dead {
        /// What the server said.
        code: String,
    },
    /// The server no longer knows the client registration.
    ClientDead {
        /// What the server said.
        code: String,
    },
    /// Refused, but not called dead.
    Refused {
        /// What the server said.
        code: String,
        /// How often.
        tries: u32,
    },
    /// The agent died before the answer to its request came: to be retried at once, while a grace period may last.
    CutOff {
        /// How it was cut off.
        why: String,
        /// How often in a row.
        times: u32,
    },
    /// A request was sent and no answer came, so it may be spent.
    Ambiguous {
        /// How the answer was lost.
        why: String,
        /// How often; 0 while retries within a short grace period are pending.
        tries: u32,
    },
    /// The metadata names a token endpoint at another origin than the one this grant is pinned to.
    EndpointMoved {
        /// The pinned origin.
        from: String,
        /// What the metadata says now.
        to: String,
    },
    /// There is no usable token endpoint, for a permanent reason.
    NoEndpoint {
        /// The reason.
        why: String,
    },
}

impl Verdict {
    /// True if the token was called dead or refused and must be rechecked before that is believed.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Suspect { .. })
    }
}
