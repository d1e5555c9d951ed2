//! How processes of this program find and ask each other: the agent's lock, its socket, and their protocol.

pub(crate) mod instance;
pub(crate) mod protocol;
pub(crate) mod report;
pub(crate) mod secret_text;
pub(crate) mod socket;
