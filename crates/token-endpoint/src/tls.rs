use crate::HttpError;
use rustls::pki_types::pem::PemObject as _;
use rustls::{
    ClientConfig, RootCertStore, client::Resumption, crypto::CryptoProvider, pki_types::CertificateDer,
};
use rustls_platform_verifier::Verifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The TLS side of every connection, and whether it trusts anybody at all.
pub(crate) struct Tls {
    pub(crate) config: ClientConfig,
    pub(crate) has_roots: bool,
}

/// TLS 1.2 and 1.3 by ring, verified by the platform (on Linux the system's CA bundle, or the one `SSL_CERT_FILE` names) and
/// by the CAs of these files in addition.
pub(crate) fn config(extra_ca: &[PathBuf]) -> Result<Tls, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra = Vec::new();
    for path in extra_ca {
        extra.extend(certificates(path)?);
    }
    let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Tls { why: error.to_string() })?;
    let (mut config, has_roots) = match Verifier::new_with_extra_roots(extra, provider) {
        Ok(verifier) => (
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth(),
            true,
        ),
        // A machine without CA certificates can still talk to itself; every other host is refused, with the reason named.
        Err(_) => (builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(), false),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections are hours apart: remembered sessions would cost memory and save nothing.
    config.resumption = Resumption::disabled();
    Ok(Tls { config, has_roots })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let unusable = |why: String| HttpError::ExtraCa { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(format!("it is not a PEM file: {error}")))?;
    if found.is_empty() {
        return Err(unusable(
            "there is no certificate in it; a PEM file with BEGIN CERTIFICATE is needed".to_owned(),
        ));
    }
    let mut roots = RootCertStore::empty();
    for certificate in &found {
        // Checked here, where the file can still be named.
        roots
            .add(certificate.clone())
            .map_err(|error| unusable(format!("a certificate in it cannot be used: {error}")))?;
    }
    Ok(found)
}
