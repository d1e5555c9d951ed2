//! Finds a grant's token endpoint, sends a refresh request, and interprets the response.
//!
//! These are three separate steps, so that the caller controls what happens in between: [`discover`] finds a server's token endpoint,
//! [`Http::send`] sends exactly one request and returns the response as received, and [`interpret`] says what it means. The last is a
//! pure function: a response stored in a journal means the same after a crash as before.
//!
//! This crate knows no store, keeps no state, and never repeats a request that carries a token: whether a refresh token may be presented
//! again is for the caller to decide, and everything here is designed to inform that decision.
//!
//! ```
//! use token_endpoint::{Answer, RawAnswer, interpret};
//!
//! // Slack reports errors with HTTP 200; others send the lifetime as a string. Both are understood.
//! let no = RawAnswer::new(200, r#"{"ok":false,"error":"invalid_refresh_token"}"#);
//! assert_eq!(interpret(&no, jiff::Timestamp::now()).name(), "dead");
//!
//! let yes = RawAnswer::new(201, r#"{"access_token":"at_made_up","refresh_token":"rt_made_up","expires_in":"3600"}"#);
//! let kept = RawAnswer::from_bytes(&yes.to_bytes()?)?;
//! let Answer::Fresh(pair) = interpret(&kept, jiff::Timestamp::now()) else { unreachable!() };
//! assert_eq!(pair.expires_in.map(|life| life.as_secs()), Some(3600));
//! # Ok::<(), token_endpoint::RawAnswerError>(())
//! ```

mod answer;
mod body;
mod bundle;
mod cleaned;
mod client_certificate;
mod clients;
mod date;
mod discovery;
mod document;
mod failure;
mod grant;
mod hints;
mod http_client;
mod interpretation;
mod lifetime;
mod login;
mod metadata;
mod metadata_reader;
mod names;
mod origin;
mod own_authority;
mod platform;
mod probe;
mod proxy;
mod raw_answer;
mod refusal;
mod request;
mod shape;
mod signatures;
mod single_flight;
mod tls;
mod verified_chains;
mod well_known;

pub use answer::{Answer, TokenPair};
pub use client_certificate::ClientCertificate;
pub use date::date_header;
pub use discovery::{DiscoveryError, discover};
// The same search without a network, for `tests/fuzz-targets`.
#[doc(hidden)]
pub use discovery::discover_by;
pub use failure::{SendError, UnsentKind};
pub use hints::ServerHints;
pub use http_client::{Http, HttpError, HttpOptions, Limits};
pub use interpretation::interpret;
pub use login::authorization::{AuthorizationRequest, CallbackError, Code};
pub use login::challenge::Challenge;
pub use login::code_exchange::CodeExchange;
pub use login::registration::{RegisteredClient, RegistrationError};
pub use login::server::AuthorizationServer;
pub use metadata::{Metadata, resource_of};
pub use origin::origin_of;
pub use probe::{Probe, RefreshOffer};
pub use proxy::NamedProxy;
pub use raw_answer::{RawAnswer, RawAnswerError};
pub use request::{ClientAuth, RefreshRequest, asks_for_client_id};
pub use shape::{RequestShape, guessed_shape, may_have_spent, next_shape};
pub use tls::tls_config;
pub use well_known::same_issuer;
