use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Also accepts a server's certificate that is itself one of the trusted ones, as OpenSSL and Claude Code do (measured with 2.1.332):
/// `openssl req -x509` makes such certificates. Webpki refuses an authority's certificate as a server's (`CaUsedAsEndEntity`).
///
/// Who trusts an authority trusts whatever its key signs; here the same key speaks for itself, and for no more than its own names.
#[derive(Debug)]
pub(crate) struct OwnAuthority {
    inner: Arc<dyn ServerCertVerifier>,
    /// SHA-256 of each trusted certificate.
    trusted: BTreeSet<[u8; 32]>,
    /// Trusted ones with a key that is refused; a server does not send the one that signed its chain.
    weak: Vec<CertificateDer<'static>>,
}

impl OwnAuthority {
    pub(crate) fn new<'a>(
        inner: Arc<dyn ServerCertVerifier>,
        trusted: impl Iterator<Item = &'a CertificateDer<'a>>,
    ) -> Self {
        let mut own = Self { inner, trusted: BTreeSet::new(), weak: Vec::new() };
        for certificate in trusted {
            own.trusted.insert(fingerprint(certificate));
            // An authority signs its own certificate; with so short a key both fit into this, and the others need not be read.
            if certificate.len() < SHORT_CERTIFICATE && has_weak_key(certificate) {
                own.weak.push(certificate.clone().into_owned());
            }
        }
        own
    }
}

/// In bytes.
const SHORT_CERTIFICATE: usize = 900;

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// A key that is refused on purpose.
#[derive(Debug, thiserror::Error)]
#[error("an RSA key of fewer than 2048 bits is in its chain, which can be broken")]
pub(crate) struct WeakKey;

/// Ring says only that a signature by a short RSA key is bad.
fn weak_key_or<'a>(error: Error, mut chain: impl Iterator<Item = &'a CertificateDer<'a>>) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) if chain.any(has_weak_key) => {
            CertificateError::Other(OtherError(Arc::new(WeakKey))).into()
        }
        error => error,
    }
}

/// Whether this certificate's own key is RSA of fewer than 2048 bits.
pub(crate) fn has_weak_key(certificate: &CertificateDer<'_>) -> bool {
    /// `rsaEncryption` (RFC 8017, appendix C).
    const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    /// The length of such a key with 2048 bits, all around it included, is 294 bytes, and that of 1024 bits 162.
    const SHORT: usize = 256;
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|certificate| {
        let key = certificate.subject_public_key_info();
        key.len() < SHORT && key.windows(RSA.len()).any(|part| part == RSA)
    })
}

/// Whether the only complaint is that the certificate is an authority's.
fn is_authority(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for OwnAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // Webpki looks at the dates before it looks at the kind: a certificate that is too old has another error.
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if is_authority(&other) && self.trusted.contains(&fingerprint(end_entity)) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified.map_err(|error| {
                let chain = std::iter::once(end_entity).chain(intermediates).chain(&self.weak);
                weak_key_or(error, chain)
            }),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, cert, dss)
            .map_err(|error| weak_key_or(error, [cert].into_iter()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, cert, dss)
            .map_err(|error| weak_key_or(error, [cert].into_iter()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
