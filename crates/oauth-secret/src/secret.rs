use crate::{Fingerprint, TokenDigest};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// Defines a kind of secret. Kinds do not mix, so an access token cannot be sent in place of a refresh token.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Wraps the secret's text.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(SecretString::from(text.into()))
            }

            /// The text itself, only for the store, the journal and the token endpoint.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// The whole SHA-256: tells secrets apart reliably.
            #[must_use]
            pub fn digest(&self) -> TokenDigest {
                TokenDigest::of(self.expose())
            }

            /// The only form in which the secret may be shown.
            #[must_use]
            pub fn fingerprint(&self) -> Fingerprint {
                self.digest().fingerprint()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.fingerprint())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.fingerprint().fmt(f)
            }
        }
    };
}

secret! {
    /// An OAuth access token (RFC 6749, section 1.4).
    AccessToken
}
secret! {
    /// An OAuth refresh token (RFC 6749, section 1.5).
    RefreshToken
}
secret! {
    /// An OAuth client secret (RFC 6749, section 2.3.1).
    ClientSecret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_formatting_shows_the_secret() {
        let token = RefreshToken::new("rt_made_up");
        for shown in
            [format!("{token}"), format!("{token:?}"), format!("{token:#?}"), format!("{:?}", Some(&token))]
        {
            assert!(!shown.contains("rt_made_up"), "{shown}");
            assert!(shown.contains(&token.fingerprint().to_string()), "{shown}");
        }
    }
}
