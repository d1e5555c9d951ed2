//! A keeper's access to its store: scans, reads for transactions, group commits, and settling what was written.

pub(crate) mod commit;
pub(crate) mod committer;
pub(crate) mod entry_state;
pub(crate) mod obtained_pair;
pub(crate) mod reading;
pub(crate) mod scan;
pub(crate) mod settlement;
pub(crate) mod shared;
pub(crate) mod shared_read;
pub(crate) mod write_request;
