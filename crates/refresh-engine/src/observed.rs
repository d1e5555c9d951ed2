//! What is observed, before anything is decided about it: the entry as it was read, the clocks, the sessions at work.

pub(crate) mod activity;
pub(crate) mod clock;
pub(crate) mod entry;
