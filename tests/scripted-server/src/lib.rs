//! An OAuth authorization server and an MCP server on loopback that follow a script, faults included.
//!
//! Used by whole-program tests, the demo and the tests with the real client. It is a real server on a real socket: grants have families,
//! refresh tokens rotate, reuse of a spent one revokes its family (after a grace period, if the script has one), access tokens expire,
//! and the MCP endpoint then rejects them. The misbehavior is scripted: each refresh takes the next [`Answer`] from a queue, or else the
//! permanent one. An answer determines when the grant is processed, what is sent, and how, down to the byte.
//!
//! One [`Server`] has any number of [`Site`]s, each with its own path, grants and [`Script`]. The server runs in its own thread, so
//! blocking and asynchronous tests can use it. All tokens are made up: its log shows them in full.
//!
//! ```
//! use scripted_server::{Answer, Script, Server};
//! use std::time::Duration;
//!
//! let server = Server::start(Script::default())?;
//! let lab = server.add("lab", Script { old_access_dies: true, ..Script::default() });
//! lab.answer_next(Answer::status(503).retry_after(Duration::from_secs(5)));
//! let grant = lab.grant(Duration::from_secs(360));
//! assert!(grant.entry_json("lab").contains(&grant.refresh_token));
//! assert_eq!(server.token_requests_by("mcp-refreshd"), 0);
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(clippy::indexing_slicing, reason = "only JSON objects are indexed, to add a member")]

mod answer;
mod authentication;
mod authorize;
mod control;
mod credentials;
mod form;
mod http;
mod ledger;
mod log;
mod mcp;
mod metadata;
mod revoke;
mod route;
mod script;
mod seconds;
mod server;
mod shape;
mod site;
mod tls;
mod token;
mod wire;

pub use answer::{Answer, Delivery, HttpReply, RetryAfter};
pub use credentials::{credentials_json, store_key};
pub use ledger::TokenState;
pub use log::{Entry, Kind, Outcome};
pub use script::{
    ClientAuth, DeadStyle, Discovery, EarlyRefusal, Redirect, Registration, ResourceMetadataAt, ResourceRule,
    Reuse, Script,
};
pub use server::{Listen, Server};
pub use shape::{ExpiresIn, RefreshTokenForm, ScopeForm, Shape};
pub use site::{Grant, Site};
pub use tls::Certificates;
