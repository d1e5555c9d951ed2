//! Observations that decisions are based on: the entry as read, the clocks, the sessions' activity.

pub(crate) mod activity;
pub(crate) mod clock;
pub(crate) mod entry;
