//! A secret on its way through the socket.

use oauth_secret::AccessToken;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// Text that is wiped when dropped and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn of(token: &AccessToken) -> Self {
        Self::new(token.expose().to_owned())
    }

    /// The text itself, only for the socket and for the output of `headers` and `token`.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_on_its_way_is_not_shown() {
        let secret = SecretText::of(&AccessToken::new("at_made_up"));
        assert_eq!((format!("{secret:?}").as_str(), secret.expose()), ("SecretText", "at_made_up"));
    }
}
