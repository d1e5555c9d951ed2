//! The store on virtual disks and real files: documents, locks, caches, watches.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that meets anything unexpected should end"
)]

#[cfg(target_os = "linux")]
mod bind_mount;
mod file_store;
// What it guards is a path with slashes.
#[cfg(unix)]
mod guarded_store;
mod keyring_store;
mod layers;
mod locks;
mod needs_auth;
#[cfg(feature = "keyring")]
mod secret_service;
mod splice;
mod surroundings;
mod watch;
