//! What differs between systems: variants with the same signatures, side by side.

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod this;
#[cfg(not(target_os = "linux"))]
#[path = "platform/other.rs"]
mod this;

pub(crate) use this::{HAS_SYSTEM_PROXY, trust};

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// The trusted roots.
pub(crate) struct Trust {
    /// `None` if there are none.
    pub(crate) verifier: Option<Arc<dyn ServerCertVerifier>>,
    /// Its certificates, as far as this program can list them.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}
