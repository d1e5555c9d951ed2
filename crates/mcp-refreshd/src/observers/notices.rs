//! Tells the user that they are needed: once for each server and cause, by a notice on the desktop and by a command of their own.
//!
//! [`Notices`] hears from the engine what is wrong; a task of the agent compares it with the status and sends what was not sent within
//! the last day. What was sent is kept in the state folder, so that a restart repeats nothing.

pub(crate) mod delivery;
pub(crate) mod ending;
pub(crate) mod ledger;
mod listener;
pub(crate) mod trouble;

#[cfg(test)]
mod tests;

pub(crate) use listener::Notices;
