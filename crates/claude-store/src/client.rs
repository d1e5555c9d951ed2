//! What the client keeps beside the store, and where: its folders, its lists, its configurations, its sessions.

pub(crate) mod keychain_item;
pub(crate) mod needs_auth;
pub(crate) mod server_configs;
pub(crate) mod session_activity;
pub(crate) mod storage_folder;
