use crate::ObservedEntry;
use oauth_secret::{RefreshToken, TokenDigest};
use std::rc::Rc;

/// An entry whose refresh token will be presented.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    /// The entry: as stored, or as remembered if a wipe is being healed.
    pub(crate) seen: Rc<ObservedEntry>,
    /// Its refresh token.
    pub(crate) token: RefreshToken,
    /// Its digest.
    pub(crate) digest: TokenDigest,
}

impl Presented {
    /// `None` if the entry holds no refresh token.
    pub(crate) fn of(seen: Rc<ObservedEntry>) -> Option<Self> {
        let token = seen.entry.refresh_token.clone()?;
        Some(Self { digest: seen.refresh?, token, seen })
    }
}
