//! The control socket: the daemon's side and its clients'.

mod client;
mod server;

pub(crate) use client::{RequestError, ask, reach};
pub(crate) use server::Listener;

#[cfg(test)]
mod tests;
