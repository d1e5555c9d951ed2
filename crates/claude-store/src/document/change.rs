use crate::EntryKey;
use oauth_secret::{AccessToken, RefreshToken};
use zeroize::Zeroizing;

/// What to do to one entry.
#[derive(Clone, Debug)]
pub enum Change {
    /// Write the answer of a refresh.
    Tokens(TokenChange),
    /// Write the answer of a refresh, and what a failed refresh of the client took away: each of these members only where it is
    /// absent, null or empty.
    Heal {
        /// The answer.
        tokens: TokenChange,
        /// `clientId`.
        client_id: Option<String>,
        /// `issuer`.
        issuer: Option<String>,
        /// `redirectUri`.
        redirect_uri: Option<String>,
        /// `scope`, where the answer names none.
        scope: Option<String>,
    },
    /// Replace the whole entry, also one that is not understood: how an entry that changed in a document of two Keychain items gets into the
    /// one that holds it, and how a stub gives way to a login that the user wants back. No refresh does this (I4).
    Restore {
        /// The whole entry, from brace to brace.
        members: RawEntry,
    },
    /// Take the tokens out, once they are safe elsewhere: `accessToken` empty, no `refreshToken`, `expiresAt` 0, as a failed refresh of the
    /// client leaves it. The entry itself stays. A client whose refresh is on its way saves the new pair into such an entry; where it finds
    /// none, one from 2.1.330 on drops the pair, and an older one forgets which client it was issued to (read in 2.0.30 to 2.1.332).
    Empty,
    /// Take the entry out, once it is safe elsewhere. Only ever at a person's word. The only change of its splice.
    Remove,
    /// Put an entry that is absent back, last in `mcpOAuth`. Only ever at a person's word: a removed entry stays removed.
    Reinsert {
        /// The whole entry, from brace to brace.
        raw: RawEntry,
    },
}

/// The raw text of a whole entry. It holds tokens: its `Debug` shows none of it, and it is wiped when dropped.
#[derive(Clone)]
pub struct RawEntry(Zeroizing<String>);

/// The token members of an entry.
#[derive(Clone, Debug)]
pub struct TokenChange {
    /// The new access token.
    pub access_token: AccessToken,
    /// The new refresh token; `None` keeps the one that is there.
    pub refresh_token: Option<RefreshToken>,
    /// Milliseconds since 1970; `None` removes the member, as the client does (measured).
    pub expires_at: Option<i64>,
    /// The new scope; `None` keeps the one that is there.
    pub scope: Option<String>,
}

/// Why changes could not be spliced in. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpliceError {
    /// The entry is gone: its removal is somebody's wish.
    #[error("entry `{0}` is not in the document any more; a removed entry stays removed")]
    Absent(EntryKey),
    /// The entry has a problem and is left alone.
    #[error("entry `{0}` cannot be understood and is left alone")]
    Problem(EntryKey),
    /// The entry to be put back is there.
    #[error("entry `{0}` is in the document already")]
    Present(EntryKey),
    /// Two changes for one entry.
    #[error("entry `{0}` was to be changed twice in one write")]
    Twice(EntryKey),
    /// A removal beside other changes.
    #[error("entry `{0}` was to be removed together with other changes; that takes a write of its own")]
    NotAlone(EntryKey),
    /// The remembered text is no JSON object.
    #[error("the remembered text of entry `{0}` is not a JSON object")]
    NotAnObject(EntryKey),
}

impl RawEntry {
    /// Takes the raw text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The raw text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for RawEntry {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for RawEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawEntry({} bytes)", self.0.len())
    }
}
