use crate::decide::compare::Expected;
use claude_store::{EntryKey, Identity, LeftLock};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use serde::{Deserialize, Serialize};
use token_endpoint::RawAnswer;
use zeroize::Zeroizing;

/// Names one transaction in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionId(pub(super) u64);

/// What is about to be presented, and for which entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The store's location, as [`Store::location`](claude_store::Store::location) names it.
    pub store: String,
    /// The entry's key.
    pub key: String,
    /// The refresh token that is presented.
    pub presented: TokenDigest,
    /// The entry as it was read under the refresh lock.
    pub expected: Expected,
    /// When.
    pub at: Timestamp,
    /// The refresh lock that is held, so that the next start need not wait for a dead process's lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Identity>,
    /// The refresh locks of other entries that hold the same token, for the same reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_locks: Vec<OtherLock>,
    /// What a wipe took from the entry, if this transaction heals one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal: Option<Box<HealMembers>>,
}

impl Intent {
    /// The entry's key.
    #[must_use]
    pub fn entry_key(&self) -> EntryKey {
        EntryKey::new(self.key.as_str())
    }
}

/// The refresh lock of another entry, held together with the entry's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherLock {
    /// Its store's location.
    pub store: String,
    /// The entry's key.
    pub key: String,
    /// The lock.
    pub lock: Identity,
}

/// The members of an entry that a client's failed refresh takes away.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealMembers {
    /// `clientId`
    pub client_id: Option<String>,
    /// `issuer`
    pub issuer: Option<String>,
    /// `redirectUri`
    pub redirect_uri: Option<String>,
    /// `scope`
    pub scope: Option<String>,
    /// `refreshToken`, for a server that does not repeat it in its answer.
    pub refresh_token: Zeroizing<String>,
}

impl std::fmt::Debug for HealMembers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealMembers").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// An unfinished transaction in the journal.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// Its id.
    pub id: TransactionId,
    /// What was presented.
    pub intent: Intent,
    /// The answer, and when the request was sent; `None` if the agent died before it arrived.
    pub answer: Option<(RawAnswer, Timestamp)>,
    /// The refresh token in the store that superseded this pair, if any.
    pub superseded_by: Option<TokenDigest>,
    /// The storage lock under which its pair was about to be written, so that neither the next start nor a client need wait for it.
    pub storage_lock: Option<LeftLock>,
}

impl Unfinished {
    /// One of which nothing but its intent is known.
    #[must_use]
    pub fn new(id: TransactionId, intent: Intent) -> Self {
        Self { id, intent, answer: None, superseded_by: None, storage_lock: None }
    }
}
