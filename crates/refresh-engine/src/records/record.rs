use crate::{LastRefresh, Narrowing, Now, Outcome, Verdict, later};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use token_endpoint::{ClientAuth, Metadata, RequestShape};

/// How many spent refresh tokens are remembered for one entry.
const SPENT_KEPT: usize = 32;

/// What is remembered of one entry between refreshes and across restarts. Only digests, never a token. What is absent is not written: most
/// entries need a third of the members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The refresh token that [`verdict`](Self::verdict), [`failures`](Self::failures) and [`retry`](Self::retry) refer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<TokenDigest>,
    /// The access token that [`lifetime_s`](Self::lifetime_s) refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<TokenDigest>,
    /// Lifetime of the access token in seconds: as its answer said, else what was left when it was first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_s: Option<u64>,
    /// True if the server's answer named the lifetime: only then is a short one believed, since an entry first seen
    /// shortly before its expiry only looks short-lived.
    pub lifetime_answered: bool,
    /// The access token whose own answer named that lifetime: it cannot have more than that left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_of: Option<TokenDigest>,
    /// When the present refresh token was obtained, or first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When another program wrote the present pair: a login, or a client's own refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landed_at: Option<Timestamp>,
    /// When the present refresh token expires, if an answer said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_expires_at: Option<Timestamp>,
    /// How the last attempt ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRefresh>,
    /// When the last request for this entry was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// Consecutive failures.
    pub failures: u32,
    /// No request before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The verdict on the present refresh token.
    pub verdict: Verdict,
    /// Refresh tokens of this entry that were exchanged for another one; newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<TokenDigest>,
    /// Pairs (refresh token, access token) that another program replaced in the store; newest last. If one of them comes back, something
    /// old was written over something new.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<(TokenDigest, TokenDigest)>,
    /// Where this grant's refresh token may be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// Which optional parameters this server wants.
    pub shape: RequestShape,
    /// The next request shape for the present refresh token, if a refusal asks for another one than [`shape`](Self::shape).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trying: Option<RequestShape>,
    /// The scope of the login, before any answer named another one: requested from servers that want a scope. (Entra answers
    /// `.default` with the scopes behind it, and without `offline_access`.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_scope: Option<String>,
    /// The part of that scope that the last answer lacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<Narrowing>,
    /// The `resource` that the server accepted for this login at the last successful refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The client authentication method of the last successful refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClientAuth>,
    /// How often in a row the server reported its own failure.
    pub server_failures: u32,
    /// The authorization server's metadata as last looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<CachedMetadata>,
    /// The refresh token that a wiped entry was already healed with: once is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heal_tried: Option<TokenDigest>,
    /// A refresh token in the store that another program got in exchange for the same token as a pair of ours, at the same moment. If a server grants
    /// both, one is the newest and the other soon becomes invalid; using this one at once settles which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contested: Option<TokenDigest>,
    /// When the access token that we wrote expires by the boot-time clock; meaningless after a restart.
    #[serde(skip)]
    pub boot_expiry: Option<(TokenDigest, Duration)>,
}

/// The origin that a grant's refresh token is sent to, pinned at first use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Identifies the grant as well as possible: its client registration.
    pub client_id: Option<String>,
    /// Scheme, host and port.
    pub origin: String,
}

/// Metadata, and when it was fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CachedMetadata {
    /// What the server published.
    pub metadata: Metadata,
    /// When it was looked up.
    pub fetched_at: Timestamp,
}

/// A pause. It records when it was decided, so that a clock set back does not extend it.
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

    /// The rest of the pause.
    #[must_use]
    pub fn left(&self, now: Now) -> Duration {
        if now.wall < self.set_at {
            return Duration::ZERO;
        }
        Duration::try_from(self.not_before.duration_since(now.wall)).unwrap_or(Duration::ZERO)
    }
}

impl Record {
    /// True if this refresh token is known to have been exchanged: presenting it again could revoke the family.
    #[must_use]
    pub fn is_spent(&self, refresh: TokenDigest) -> bool {
        self.spent.contains(&refresh)
    }

    /// Remembers a refresh token that was exchanged for another one.
    pub fn spend(&mut self, refresh: TokenDigest) {
        self.spent.retain(|known| *known != refresh);
        self.spent.push(refresh);
        let surplus = self.spent.len().saturating_sub(SPENT_KEPT);
        self.spent.drain(..surplus);
    }

    /// Copies what is known of the present pair from the record of another entry that obtained it for the same grant.
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

    /// The present access token's age by the boot-time clock, if we obtained it since the start.
    pub(crate) fn boot_age(&self, now: Now) -> Option<Duration> {
        let (_, ends) = self.boot_expiry.filter(|(access, _)| Some(*access) == self.access)?;
        Some(self.lifetime()?.saturating_sub(ends.saturating_sub(now.boot)))
    }

    /// Lifetime of the present access token, if known.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime_s.map(Duration::from_secs)
    }

    /// Notes how an attempt ended.
    pub fn note(&mut self, at: Timestamp, outcome: Outcome, detail: impl Into<String>) {
        self.last = Some(LastRefresh { at, outcome, detail: detail.into(), unsavable: None });
    }
}
