//! What this process was told: configuration, environment, and where everything of ours is.

pub(crate) mod config;
pub(crate) mod credential_manager;
pub(crate) mod environment;
pub(crate) mod foreign_home;
pub(crate) mod paths;
pub(crate) mod since;
pub(crate) mod state_file;
pub(crate) mod surroundings;
