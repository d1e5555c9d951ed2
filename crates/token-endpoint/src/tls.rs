use crate::client_certificate::{self, ClientCertificate};
use crate::own_authority::{OwnAuthority, has_weak_key};
use crate::platform::{self, Trust};
use crate::verified_chains::VerifiedChains;
use crate::{HttpError, bundle, signatures};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use std::path::PathBuf;
use std::sync::Arc;

/// The TLS configuration of every connection, and whether it trusts anyone at all.
pub(crate) struct Tls {
    pub(crate) config: ClientConfig,
    pub(crate) has_roots: bool,
    /// What was skipped, for messages.
    pub(crate) passed_over: Vec<String>,
}

/// The TLS configuration of the token requests, for another client of this program.
///
/// # Errors
/// A certificate file cannot be used.
pub fn tls_config(
    extra_ca: &[PathBuf],
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, HttpError> {
    config(extra_ca, client).map(|tls| tls.config)
}

/// TLS 1.2 and 1.3, verified by the platform (on Linux the system's CA bundle, or the one in `SSL_CERT_FILE`) and additionally by the
/// CAs in these files. Servers that request a client certificate get that one.
pub(crate) fn config(extra_ca: &[PathBuf], client: Option<&ClientCertificate>) -> Result<Tls, HttpError> {
    let provider = Arc::new(signatures::provider());
    let (mut extra, mut passed_over) = (Vec::new(), Vec::new());
    for path in extra_ca {
        let read = bundle::read(path).map_err(|why| HttpError::ExtraCa { path: path.clone(), why })?;
        let damaged = read.damaged.iter();
        passed_over.extend(
            damaged.map(|why| format!("the CA file {}: {why}; the others in it are used", path.display())),
        );
        if read.certificates.iter().any(has_weak_key) {
            passed_over.push(format!(
                "the CA file {}: it contains an RSA key of fewer than 2048 bits, which is breakable; what it signed is rejected",
                path.display()
            ));
        }
        extra.extend(read.certificates);
    }
    let failed = |why: String| HttpError::Tls { why };
    let Trust { verifier, certificates } = platform::trust(extra, &provider).map_err(failed)?;
    let has_roots = verifier.is_some();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let builder = match verifier {
        Some(verifier) => {
            let verifier = OwnAuthority::new(verifier, certificates.iter());
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(VerifiedChains::new(Arc::new(verifier))))
        }
        // Without CA certificates, a machine can still connect to itself; every other host fails with a clear reason.
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    let mut config = match client {
        Some(client) => {
            let certified = client_certificate::read(client, &provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections are hours apart: session resumption would cost memory and save nothing.
    config.resumption = Resumption::disabled();
    Ok(Tls { config, has_roots, passed_over })
}
