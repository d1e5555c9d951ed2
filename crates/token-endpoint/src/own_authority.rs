use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Also accepts a server certificate that is itself trusted, like OpenSSL and Claude Code (measured with 2.1.332):
/// `openssl req -x509` creates such certificates. Webpki rejects a CA certificate as a server's (`CaUsedAsEndEntity`).
///
/// Trusting a CA means trusting whatever its key signs; here the same key vouches for itself, and only for its own names.
#[derive(Debug)]
pub(crate) struct OwnAuthority {
    inner: Arc<dyn ServerCertVerifier>,
    /// SHA-256 of each trusted certificate.
    trusted: BTreeSet<[u8; 32]>,
    /// Trusted ones with a rejected key; a server does not send the root of its chain.
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
            // A CA signs its own certificate; with such a short key, both fit into this size, and larger ones need not be parsed.
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
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    fingerprint
}

/// A key that is rejected on purpose.
#[derive(Debug, thiserror::Error)]
#[error("its chain contains an RSA key of fewer than 2048 bits, which is breakable")]
pub(crate) struct WeakKey;

/// Ring only reports a bad signature for short RSA keys.
fn weak_key_or<'a>(error: Error, mut chain: impl Iterator<Item = &'a CertificateDer<'a>>) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) if chain.any(has_weak_key) => {
            CertificateError::Other(OtherError(Arc::new(WeakKey))).into()
        }
        error => error,
    }
}

/// Whether this certificate's own key is RSA with fewer than 2048 bits.
pub(crate) fn has_weak_key(certificate: &CertificateDer<'_>) -> bool {
    /// `rsaEncryption` (RFC 8017, appendix C).
    const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    /// An encoded key of 2048 bits is 294 bytes long, one of 1024 bits 162.
    const SHORT: usize = 256;
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|certificate| {
        let key = certificate.subject_public_key_info();
        key.len() < SHORT && key.windows(RSA.len()).any(|part| part == RSA)
    })
}

/// Whether the only objection is that the certificate is a CA's.
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
            // Webpki checks the dates before the kind: an expired certificate has another error.
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
