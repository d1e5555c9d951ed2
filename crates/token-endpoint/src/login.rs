//! A login of our own: where to ask (discovery), who asks (registration), the authorization request, and the exchange of its code.
//!
//! Only [`Http::register`], [`Http::challenge`] and [`Http::exchange`] send anything, one request each. The rest is pure.

pub(crate) mod authorization;
pub(crate) mod challenge;
pub(crate) mod code_exchange;
pub(crate) mod registration;
pub(crate) mod server;
