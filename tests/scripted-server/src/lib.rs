//! An OAuth authorization server and an MCP server on loopback that do what a script says, faults included.
//!
//! Whole-program tests, the demo and the tests with the real client stand on it. It is a real server on a real socket: grants have
//! families, refresh tokens rotate, a spent one that comes again revokes its family (after a grace, if the script gives one), access
//! tokens expire, and the MCP endpoint refuses them then. What is scripted is the misbehaviour: each refresh takes the next
//! [`Answer`] of a queue, else the permanent one, and an answer says when the grant is touched, what is sent and how it is delivered,
//! down to the byte.
//!
//! One [`Server`] holds any number of [`Site`]s; each has its own path, grants and [`Script`]. The server runs on a thread of its own, so
//! that blocking tests can drive it as well as asynchronous ones. All its tokens are made up: its log shows them as they came.
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
    ClientAuth, DeadStyle, Discovery, EarlyRefusal, Redirect, ResourceMetadataAt, ResourceRule, Reuse, Script,
};
pub use server::{Listen, Server};
pub use shape::{ExpiresIn, RefreshTokenForm, ScopeForm, Shape};
pub use site::{Grant, Site};
pub use tls::Certificates;
