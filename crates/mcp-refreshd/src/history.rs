//! What happened to every login, kept in the state folder: one line of JSON for each event, never a token.
//!
//! [`History`] writes (an observer of the engine, beside the log), `file` reads, `coverage` works out from the lines when each
//! entry was good, and `command` shows both. Nothing that goes wrong here keeps the daemon from working.

mod biography;
mod canvas;
mod command;
mod coverage;
mod file;
mod json;
mod line;
mod recent;
mod standing;
mod svg;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use biography::{Biography, biographies};
pub(crate) use command::{Question, history};
pub(crate) use recent::Recent;
pub(crate) use writer::History;
