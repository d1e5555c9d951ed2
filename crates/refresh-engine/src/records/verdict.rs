use serde::{Deserialize, Serialize};

/// What is believed of a refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    #[default]
    Good,
    /// Called dead or refused while its access token was still good: asked about once more before it is believed.
    Suspect {
        /// What the server said.
        code: String,
        /// Refused for its shape, which some servers find out when the token is spent: presented again only when the client would do so, too.
        #[serde(default)]
        reuse: bool,
        /// How often it was called dead when its access token had ended or was about to: a server that is being redeployed says so for a while.
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
    /// Refused with an error that does not say dead.
    Refused {
        /// What the server said.
        code: String,
        /// How often.
        tries: u32,
    },
    /// A request was sent, and the daemon died before its answer came: asked for again at once, while a grace may last.
    CutOff {
        /// How it was cut off.
        why: String,
        /// How often in a row.
        times: u32,
    },
    /// A request was sent and no answer came, so nobody knows whether it is spent.
    Ambiguous {
        /// How the answer was lost.
        why: String,
        /// How often; 0 while it is to be asked for within a grace of seconds.
        tries: u32,
    },
    /// The metadata names a token endpoint at another origin than the one this grant was pinned to.
    EndpointMoved {
        /// The pinned origin.
        from: String,
        /// What the metadata says now.
        to: String,
    },
    /// No token endpoint that may be used, for a reason that does not pass by itself.
    NoEndpoint {
        /// The reason.
        why: String,
    },
}

impl Verdict {
    /// True where the token was called dead or refused, and is to be looked at again before that is believed.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Suspect { .. })
    }
}
