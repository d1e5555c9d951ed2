//! What is to be done: pure functions of what was observed and what is remembered.

pub(crate) mod backoff;
pub(crate) mod compare;
pub(crate) mod judge;
pub(crate) mod memory;
pub(crate) mod narrowing;
pub(crate) mod plan;
pub(crate) mod policy;
