use crate::ObservedEntry;
use oauth_secret::{RefreshToken, TokenDigest};

/// An entry whose refresh token is to be presented.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    /// The entry: what the store holds, or what is remembered of it where a wipe is healed.
    pub(crate) seen: ObservedEntry,
    /// Its refresh token.
    pub(crate) token: RefreshToken,
    /// The digest of that.
    pub(crate) digest: TokenDigest,
}

impl Presented {
    /// `None` where the entry holds no refresh token.
    pub(crate) fn of(seen: ObservedEntry) -> Option<Self> {
        let token = seen.entry.refresh_token.clone()?;
        Some(Self { digest: seen.refresh?, token, seen })
    }
}
