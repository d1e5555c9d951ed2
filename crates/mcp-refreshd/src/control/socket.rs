//! The control socket, server and client side.

mod client;
mod server;

pub(crate) use client::{RequestError, ask, reach, reach_patiently};
pub(crate) use server::Listener;

#[cfg(test)]
mod tests;
