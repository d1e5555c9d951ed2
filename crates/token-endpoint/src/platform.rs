//! What differs between systems, in variants side by side with the same signatures.

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

/// Who is trusted.
pub(crate) struct Trust {
    /// `None` where nobody is.
    pub(crate) verifier: Option<Arc<dyn ServerCertVerifier>>,
    /// The certificates behind it, as far as this program sees them.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}
