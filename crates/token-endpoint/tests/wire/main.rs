//! What goes over real sockets: limits, failures, certificates, discovery. Loopback only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

// Wine 8 builds no chain with roots of our own (`CertCreateCertificateChainEngine` refuses `dwExclusiveFlags`).
#[cfg(unix)]
mod certificates;
mod discovering;
mod proxies;
mod sending;
mod server;
