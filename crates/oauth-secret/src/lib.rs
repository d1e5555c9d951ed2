//! Tokens and client secrets as types that cannot be printed.
//!
//! A secret is wiped when dropped, its `Debug` and `Display` show only the [`Fingerprint`], and its text is accessible only through
//! [`expose`](AccessToken::expose), so that a search for that word finds every place where a token leaves its type. Secrets cannot be
//! serialized. Data that contains secrets is [`SecretBytes`].
//!
//! ```
//! use oauth_secret::RefreshToken;
//! let token = RefreshToken::new("rt_made_up");
//! assert_eq!(format!("{token:?}"), "RefreshToken(6924ee4b)");
//! assert_eq!(token.expose(), "rt_made_up");
//! ```

mod bytes;
mod fingerprint;
mod secret;

pub use bytes::SecretBytes;
pub use fingerprint::{Fingerprint, TokenDigest};
pub use secret::{AccessToken, ClientSecret, RefreshToken};
