//! The commands, a module each.

pub(crate) mod check;
#[cfg(feature = "cluster")]
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod headers;
pub(crate) mod history;
mod labels;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod notice;
pub(crate) mod own;
pub(crate) mod refresh;
pub(crate) mod reload;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod status;
