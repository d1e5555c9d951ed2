//! Decisions: pure functions of what was observed and what is remembered.

pub(crate) mod apply_answer;
pub(crate) mod attempts;
pub(crate) mod authentication;
pub(crate) mod backoff;
pub(crate) mod compare;
pub(crate) mod early_retry;
pub(crate) mod memory;
pub(crate) mod narrowing;
pub(crate) mod need;
pub(crate) mod plan;
pub(crate) mod planned;
pub(crate) mod policy;
pub(crate) mod supply;
