use super::Trust;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// The system settings may set a proxy.
pub(crate) const HAS_SYSTEM_PROXY: bool = true;

/// These certificates plus the system's own verifier.
pub(crate) fn trust(
    extra: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Trust, String> {
    // Without extra ones nothing but the system's usual means is needed: Wine 8 has no others.
    let built = match extra.is_empty() {
        true => Verifier::new(Arc::clone(provider)),
        false => Verifier::new_with_extra_roots(extra.clone(), Arc::clone(provider)),
    };
    Ok(Trust { verifier: built.ok().map(|verifier| Arc::new(verifier) as _), certificates: extra })
}
