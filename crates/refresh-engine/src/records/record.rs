use crate::{Narrowing, Now, Seen, later};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use token_endpoint::{ClientAuth, Metadata, RequestShape};

/// How many spent refresh tokens are remembered for one entry.
const SPENT_KEPT: usize = 32;

/// How many replaced pairs are remembered for one entry.
const REPLACED_KEPT: usize = 8;

/// What is remembered of one entry between refreshes and across restarts. Never a token: only digests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The refresh token that [`verdict`](Self::verdict), [`failures`](Self::failures) and [`retry`](Self::retry) speak of.
    pub refresh: Option<TokenDigest>,
    /// The access token that [`lifetime_s`](Self::lifetime_s) speaks of.
    pub access: Option<TokenDigest>,
    /// Whole life of the access token in seconds: what its answer said, else what was left when it was first seen.
    pub lifetime_s: Option<u64>,
    /// True where an answer of the server named the lifetime: only then is a short one believed, since an entry first seen
    /// shortly before its end looks short-lived and is not.
    pub lifetime_answered: bool,
    /// The access token whose own answer named that life: no entry can truly have more than that left.
    pub lifetime_of: Option<TokenDigest>,
    /// When the present refresh token was obtained, or first seen.
    pub since: Option<Timestamp>,
    /// When another program was seen to write the present pair: a login, or a client's own refresh.
    pub landed_at: Option<Timestamp>,
    /// When the present refresh token lapses by itself, where an answer said so.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// How the last attempt ended.
    pub last: Option<LastRefresh>,
    /// When the last request for this entry was sent.
    pub sent_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// No request before this moment.
    pub retry: Option<Retry>,
    /// What is believed of the present refresh token.
    pub verdict: Verdict,
    /// Refresh tokens of this entry that were exchanged for another one; newest last.
    pub spent: Vec<TokenDigest>,
    /// Pairs (refresh token, access token) that somebody else replaced in the store; newest last. Should one of them come back, something
    /// old was written over something new.
    pub replaced: Vec<(TokenDigest, TokenDigest)>,
    /// Where this grant's refresh token may go.
    pub pin: Option<Pin>,
    /// Which optional parameters this server wants.
    pub shape: RequestShape,
    /// The shape to present the present refresh token in next, where a refusal asks for another one than [`shape`](Self::shape).
    pub trying: Option<RequestShape>,
    /// The scope of the login, before any answer of ours named another one: what is asked for where a server wants a scope. (Entra answers
    /// `.default` with the scopes behind it, and without `offline_access`.)
    pub login_scope: Option<String>,
    /// What the last answer lacked of that scope.
    pub narrowing: Option<Narrowing>,
    /// What the server took as `resource` from this login at the last refresh that went well.
    pub resource: Option<String>,
    /// How this server took the client's word for who it is, at the last refresh that went well.
    pub auth: Option<ClientAuth>,
    /// How often in a row the server answered that it failed.
    pub server_failures: u32,
    /// The authorization server's metadata as last looked up.
    pub metadata: Option<CachedMetadata>,
    /// The refresh token that a wiped entry was already healed with: once is enough.
    pub heal_tried: Option<TokenDigest>,
    /// A refresh token in the store that somebody else got from the same one as a pair of ours, at the same moment. To a server that grants
    /// both, one of them is the newest and the other soon means nothing; which, is settled by using this one at once.
    pub contested: Option<TokenDigest>,
    /// When the access token that we wrote ends by the boot-time clock; means nothing after a restart.
    #[serde(skip)]
    pub boot_expiry: Option<(TokenDigest, Duration)>,
}

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

/// The origin that a grant's refresh token is sent to, fixed at first use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The grant, as far as it can be told apart: its client registration.
    pub client_id: Option<String>,
    /// Scheme, host and port.
    pub origin: String,
}

/// Metadata and when it was fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CachedMetadata {
    /// What the server published.
    pub metadata: Metadata,
    /// When it was looked up.
    pub fetched_at: Timestamp,
}

/// A pause. It carries when it was decided, so that a clock set back does not stretch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// When it was decided.
    pub set_at: Timestamp,
    /// When it ends.
    pub not_before: Timestamp,
}

impl Retry {
    /// A pause of this length from now.
    #[must_use]
    pub fn after(now: Now, wait: Duration) -> Self {
        Self { set_at: now.wall, not_before: later(now.wall, wait) }
    }

    /// What is left of the pause.
    #[must_use]
    pub fn left(&self, now: Now) -> Duration {
        if now.wall < self.set_at {
            return Duration::ZERO;
        }
        Duration::try_from(self.not_before.duration_since(now.wall)).unwrap_or(Duration::ZERO)
    }
}

/// How an attempt ended, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefresh {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
}

/// How an attempt ended; the words of `status --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new pair is in the store.
    Fresh,
    /// The refresh token will never work again.
    Dead,
    /// The client registration is gone.
    ClientDead,
    /// Refused without saying dead.
    Refused,
    /// Failed for a passing reason; nothing was consumed.
    Transient,
    /// No request left this machine.
    Unsent,
    /// Sent, and nobody knows how it ended.
    Ambiguous,
    /// Somebody else refreshed it first.
    Adopted,
}

impl Outcome {
    /// The word used in `status --json`, logs and history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Dead => "dead",
            Self::ClientDead => "client_dead",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::Unsent => "unsent",
            Self::Ambiguous => "ambiguous",
            Self::Adopted => "adopted",
        }
    }
}

impl Record {
    /// Takes note of what the store holds. Where it holds another refresh token than the one remembered, what was believed of
    /// the old one does not count for the new one: a dead grant is cleared by a login without anybody telling us.
    pub fn observe(&mut self, now: Now, seen: &Seen) {
        if self.refresh != seen.refresh {
            // Only a login shows a person's consent to the new address; until then the pin stays.
            if matches!(self.verdict, Verdict::EndpointMoved { .. }) && seen.refresh.is_some() {
                self.pin = None;
            }
            self.replace(seen);
            self.refresh = seen.refresh;
            self.since = Some(now.wall);
            self.landed_at = None;
            self.refresh_token_expires_at = seen.refresh_token_lapses_at().filter(|at| *at > now.wall);
            self.login_scope = seen.entry.scope.clone().filter(|scope| !scope.trim().is_empty());
            self.narrowing = None;
            self.resource = None;
            if let Some(cached) = &mut self.metadata {
                // A login goes by what is published at its time; what is remembered counts where that cannot be read now.
                cached.fetched_at = Timestamp::UNIX_EPOCH;
            }
            self.verdict = Verdict::Good;
            self.trying = None;
            self.failures = 0;
            self.retry = None;
        }
        if self.access != seen.access {
            self.access = seen.access;
            let left = seen.left(now, self).and_then(|left| u64::try_from(left.as_secs()).ok());
            let left = left.filter(|seconds| *seconds > 0);
            // The server's own word about an earlier token holds until a token shows that it gives longer ones.
            if !(self.lifetime_answered && left <= self.lifetime_s) {
                self.lifetime_s = left;
                self.lifetime_answered = false;
            }
        }
    }

    /// True where this refresh token is known to have been exchanged already: presenting it again could revoke the family.
    #[must_use]
    pub fn is_spent(&self, refresh: TokenDigest) -> bool {
        self.spent.contains(&refresh)
    }

    /// True where the store held this very pair before and somebody replaced it. One that came with another access token is no such thing:
    /// a server may give the same refresh token at a new login.
    #[must_use]
    pub fn was_replaced(&self, seen: &Seen) -> bool {
        seen.refresh.zip(seen.access).is_some_and(|pair| self.replaced.contains(&pair))
    }

    /// The pair that was known until now gives way to the one that was seen.
    fn replace(&mut self, by: &Seen) {
        // A stub replaces nothing: what it wiped may be good. And where something old comes back, what it was written over is the newer.
        let Some(known) = self.refresh.zip(self.access) else { return };
        if by.refresh.is_none() || self.was_replaced(by) || self.replaced.contains(&known) {
            return;
        }
        self.replaced.push(known);
        let surplus = self.replaced.len().saturating_sub(REPLACED_KEPT);
        self.replaced.drain(..surplus);
    }

    /// Remembers a refresh token that was exchanged for another one.
    pub fn spend(&mut self, refresh: TokenDigest) {
        self.spent.retain(|known| *known != refresh);
        self.spent.push(refresh);
        let surplus = self.spent.len().saturating_sub(SPENT_KEPT);
        self.spent.drain(..surplus);
    }

    /// Takes over what is known of the present pair from the record of another entry, which got it for the same grant.
    pub(crate) fn follow(&mut self, other: &Record) {
        self.refresh = other.refresh;
        self.access = other.access;
        self.lifetime_s = other.lifetime_s;
        self.lifetime_answered = other.lifetime_answered;
        self.lifetime_of = other.lifetime_of;
        self.since = other.since;
        self.landed_at = None;
        self.refresh_token_expires_at = other.refresh_token_expires_at;
        self.last.clone_from(&other.last);
        self.sent_at = other.sent_at;
        self.failures = 0;
        self.retry = None;
        self.verdict = Verdict::Good;
        self.trying = None;
        self.shape = other.shape;
        self.narrowing.clone_from(&other.narrowing);
        self.resource.clone_from(&other.resource);
        self.auth = other.auth;
        self.heal_tried = None;
        self.contested = None;
        self.boot_expiry = other.boot_expiry;
    }

    /// How old the present access token is by the boot-time clock, where we got it ourselves since the start.
    pub(crate) fn boot_age(&self, now: Now) -> Option<Duration> {
        let (_, ends) = self.boot_expiry.filter(|(access, _)| Some(*access) == self.access)?;
        Some(self.lifetime()?.saturating_sub(ends.saturating_sub(now.boot)))
    }

    /// Whole life of the present access token, where known.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime_s.map(Duration::from_secs)
    }

    /// Notes how an attempt ended.
    pub fn note(&mut self, at: Timestamp, outcome: Outcome, detail: impl Into<String>) {
        self.last = Some(LastRefresh { at, outcome, detail: detail.into() });
    }
}
