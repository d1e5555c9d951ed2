//! What the client keeps next to the store, and where: folders, caches, configuration, sessions.

pub(crate) mod keychain_item;
pub(crate) mod needs_auth;
pub(crate) mod server_configs;
pub(crate) mod session_activity;
pub(crate) mod storage_folder;
