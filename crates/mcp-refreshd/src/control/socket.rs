//! The control socket, server and client side.

mod client;
mod direct;
mod server;

pub(crate) use client::{RequestError, ask, reach, reach_patiently};
pub(crate) use direct::{DirectError, TokenAnswer, Way, ask_for_token};
pub(crate) use server::{Admission, Listener};

// Their clients are those of sockets in a folder; tests/windows asks by the named pipe.
#[cfg(unix)]
#[cfg(test)]
mod tests;
