//! The whole program: real processes in a home folder of their own, real files and sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test tells and fails"
)]

mod bad_input;
mod by_name;
mod by_store;
mod check;
mod commands;
mod daemon;
#[cfg(target_os = "linux")]
mod dependencies;
mod doctor;
mod doctor_causes;
mod doctor_refreshes;
mod documentation;
mod environment;
#[cfg(target_os = "linux")]
mod footprint;
mod headers;
mod history;
mod hostile;
mod keychain;
mod layers;
mod log_file;
mod login;
mod logs;
mod macos_check;
mod measure;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod neighbours;
mod own;
mod own_login;
mod pages;
mod reload;
#[cfg(feature = "keyring")]
mod secret_service;
mod secrets;
mod status;
mod support;
mod token_socket;
mod upgrade;
