//! What etcd holds of one grant.

use crate::{ClusterKey, KeyError, LeaseId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claude_store::{Document, Entry, EntryKey, ExpiresAt, RawEntry};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use serde::{Deserialize, Serialize};
use token_endpoint::RawAnswer;
use zeroize::Zeroizing;

const VERSION: u32 = 1;

/// One grant, as all members see it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// Grows with every write. A record that goes back was restored from a backup: its refresh token may be spent.
    #[serde(skip)]
    pub serial: u64,
    /// The entry, as in Claude Code's document.
    pub entry: Zeroizing<String>,
    /// What is known about its refresh token.
    pub phase: Phase,
    /// The last refresh.
    #[serde(default)]
    pub refreshed: Option<Refreshed>,
    /// The lifetime that an answer named last, in seconds.
    #[serde(default)]
    pub lifetime_s: Option<u64>,
}

/// What is known about the refresh token of a grant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is good, as far as anybody knows.
    Good,
    /// It is on its way into the cluster or out of it: another store may present it, so no member does.
    Moving {
        /// The member that moves it, and alone may say that it has arrived.
        by: String,
    },
    /// A member is presenting it, or died before it could write the answer.
    Presenting(Intent),
    /// It was presented, and the answer does not say whether it was consumed.
    Unclear {
        /// The intent.
        intent: Intent,
        /// What happened, for messages.
        why: String,
    },
    /// It was presented and refused.
    Refused {
        /// The intent.
        intent: Intent,
        /// What the server said: an answer for other members, too.
        answer: Box<RawAnswer>,
    },
}

/// A member is about to present a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// A random number.
    pub id: u64,
    /// The member.
    pub member: String,
    /// Its lease.
    pub lease: LeaseId,
    /// The token.
    pub presented: TokenDigest,
    /// When, by the member's clock.
    pub at: Timestamp,
    /// How many times this token was presented before with an unclear outcome.
    #[serde(default)]
    pub unclear_before: u32,
}

/// A refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The member.
    pub by: String,
    /// When the request was sent.
    pub at: Timestamp,
}

/// The value of a grant's key in etcd. Only serial and key id can be read without the cluster's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    version: u32,
    /// Which cluster key.
    key_id: String,
    /// [`GrantRecord::serial`].
    pub serial: u64,
    sealed: String,
}

impl GrantRecord {
    /// A grant that is on its way into the cluster, or in it.
    #[must_use]
    pub fn new(serial: u64, entry: &RawEntry, phase: Phase) -> Self {
        let entry = Zeroizing::new(entry.expose().to_owned());
        Self { serial, entry, phase, refreshed: None, lifetime_s: None }
    }

    /// The entry, decoded; `None` if it is not one.
    #[must_use]
    pub fn decoded(&self, key: &EntryKey) -> Option<Entry> {
        let text = self.document(key)?;
        Document::parse(text.as_bytes()).ok()?.entry(key).cloned()
    }

    /// A document with this entry alone.
    pub(crate) fn document(&self, key: &EntryKey) -> Option<Zeroizing<String>> {
        let key = serde_json::to_string(key.as_str()).ok()?;
        Some(Zeroizing::new(format!(r#"{{"mcpOAuth":{{{key}:{}}}}}"#, &*self.entry)))
    }

    /// Which refresh token it holds.
    #[must_use]
    pub fn refresh_token(&self, key: &EntryKey) -> Option<TokenDigest> {
        self.decoded(key)?.refresh_token.map(|token| token.digest())
    }

    /// When its access token ends.
    #[must_use]
    pub fn expires_at(&self, key: &EntryKey) -> Option<Timestamp> {
        match self.decoded(key)?.expires_at {
            ExpiresAt::At(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
            ExpiresAt::Zero | ExpiresAt::Absent => None,
        }
    }

    /// Seals it, bound to the grant's key and its serial.
    ///
    /// # Errors
    /// It cannot be sealed.
    pub fn seal(&self, cluster_key: &ClusterKey, key: &str) -> Result<String, KeyError> {
        let plain = serde_json::to_vec(self).map(Zeroizing::new).map_err(|_| KeyError::Damaged)?;
        let sealed = STANDARD.encode(cluster_key.seal(&bound_to(key, self.serial), &plain)?);
        let value = Sealed { version: VERSION, key_id: cluster_key.id(), serial: self.serial, sealed };
        serde_json::to_string(&value).map_err(|_| KeyError::Damaged)
    }

    /// Opens the value of this key.
    ///
    /// # Errors
    /// It was sealed with another key, was moved or changed, or is of a newer version.
    pub fn open(cluster_key: &ClusterKey, key: &str, value: &str) -> Result<Self, KeyError> {
        let value: Sealed = serde_json::from_str(value).map_err(|_| KeyError::Damaged)?;
        if value.version > VERSION {
            return Err(KeyError::Newer { found: value.version });
        }
        if value.key_id != cluster_key.id() {
            return Err(KeyError::AnotherKey { theirs: value.key_id, ours: cluster_key.id() });
        }
        let sealed = STANDARD.decode(&value.sealed).map_err(|_| KeyError::Damaged)?;
        let plain = cluster_key.open(&bound_to(key, value.serial), &sealed)?;
        let record: Self = serde_json::from_slice(&plain).map_err(|_| KeyError::Damaged)?;
        Ok(Self { serial: value.serial, ..record })
    }
}

/// A value that is moved to another key or given another serial does not open.
fn bound_to(key: &str, serial: u64) -> String {
    format!("mcp-refreshd grant\n{key}\n{serial}")
}

impl Phase {
    /// How often its token was presented with an unclear outcome.
    pub(crate) fn unclear(&self) -> u32 {
        match self {
            Self::Presenting(intent) | Self::Unclear { intent, .. } => {
                intent.unclear_before.saturating_add(1)
            }
            Self::Refused { intent, .. } => intent.unclear_before,
            Self::Good | Self::Moving { .. } => 0,
        }
    }
}

impl std::fmt::Debug for GrantRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrantRecord")
            .field("serial", &self.serial)
            .field("phase", &self.phase)
            .field("refreshed", &self.refreshed)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good => f.write_str("Good"),
            Self::Moving { by } => write!(f, "Moving(by {by})"),
            Self::Presenting(intent) => write!(f, "Presenting({intent:?})"),
            Self::Unclear { intent, why } => write!(f, "Unclear({intent:?}, {why})"),
            Self::Refused { intent, .. } => write!(f, "Refused({intent:?})"),
        }
    }
}
