use super::Trust;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// Only variables set a proxy.
pub(crate) const HAS_SYSTEM_PROXY: bool = false;

/// These certificates plus the system's bundle, or the one in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(crate) fn trust(
    extra: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Trust, String> {
    let mut certificates = extra;
    certificates.extend(rustls_native_certs::load_native_certs().certs);
    let mut roots = RootCertStore::empty();
    // Skip an unreadable one; the others still count.
    let (usable, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 {
        return Ok(Trust { verifier: None, certificates });
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let verifier: Arc<dyn ServerCertVerifier> = built.map_err(|error| error.to_string())?;
    Ok(Trust { verifier: Some(verifier), certificates })
}
