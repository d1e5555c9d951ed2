//! Tokens and client secrets as types that cannot be printed.
//!
//! A secret is wiped when it is dropped, its `Debug` and `Display` show the [`Fingerprint`] only, and the
//! text comes out of it in one way, [`expose`](AccessToken::expose), so that every place where a token leaves its type can
//! be found by that one word. No secret can be serialized. What was read and has secrets in it is [`SecretBytes`].
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
