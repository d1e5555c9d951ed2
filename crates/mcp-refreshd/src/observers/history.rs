//! What happened to every login, kept in the state folder: one line of JSON for each event, never a token.
//!
//! [`History`] writes (an observer of the engine, beside the log), `file` reads. Nothing that goes wrong here keeps the agent from
//! working.

mod biography;
pub(crate) mod entry_state;
pub(crate) mod file;
pub(crate) mod line;
mod writer;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

pub(crate) use biography::{Biography, biographies};
pub(crate) use writer::History;
