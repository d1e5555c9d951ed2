//! The whole program: real processes in a home folder of their own, real files and sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test tells and fails"
)]

// On Windows those run that need no signals, shells, modes, terminals and paths of Unix; tests/windows has scenarios for the rest.
#[cfg(unix)]
mod bad_input;
#[cfg(unix)]
mod broken_configuration;
#[cfg(unix)]
mod by_hand;
mod by_name;
mod by_store;
mod check;
#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod daemon;
#[cfg(target_os = "linux")]
mod dependencies;
#[cfg(unix)]
mod doctor;
#[cfg(unix)]
mod doctor_causes;
#[cfg(unix)]
mod doctor_refreshes;
#[cfg(unix)]
mod documentation;
#[cfg(unix)]
mod environment;
#[cfg(target_os = "linux")]
mod footprint;
#[cfg(unix)]
mod headers;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod keychain;
#[cfg(unix)]
mod layers;
#[cfg(unix)]
mod log_file;
#[cfg(unix)]
mod login;
#[cfg(unix)]
mod logs;
#[cfg(unix)]
mod macos_check;
#[cfg(unix)]
mod measure;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod neighbours;
#[cfg(target_os = "linux")]
mod other_user;
#[cfg(unix)]
mod own;
#[cfg(unix)]
mod own_helper;
#[cfg(unix)]
mod own_late;
#[cfg(unix)]
mod own_login;
#[cfg(unix)]
mod own_login_trouble;
#[cfg(unix)]
mod own_seen;
#[cfg(unix)]
mod pages;
mod reload;
#[cfg(feature = "keyring")]
mod secret_service;
#[cfg(unix)]
mod secrets;
#[cfg(unix)]
mod status;
mod support;
#[cfg(unix)]
mod token_socket;
#[cfg(unix)]
mod token_store;
#[cfg(unix)]
mod upgrade;
#[cfg(unix)]
mod widths;
