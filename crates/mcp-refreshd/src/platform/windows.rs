//! Windows, with what the standard library, tokio and our dependencies offer there.

pub(crate) mod confined;
pub(crate) mod files;
pub(crate) mod memory;
mod notice;
pub(crate) mod outside;
pub(crate) mod process;
pub(crate) mod service_manager;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod system;
pub(crate) mod terminal;
