//! How processes of this program find and ask each other: the lock of the one at work, its socket, and what is said there.

pub(crate) mod instance;
pub(crate) mod protocol;
pub(crate) mod report;
pub(crate) mod socket;
