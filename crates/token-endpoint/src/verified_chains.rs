use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::sync::{Arc, Mutex, PoisonError};

/// Verifies the same certificates for the same name once in a storm instead of once per connection: most of a handshake is the signatures
/// of the chain.
///
/// Nothing goes unchecked. The inner verifier's answer depends only on what is compared here and on the time, and it is remembered for
/// seconds; a resumed TLS session skips the same for hours. That the server holds the key is verified for each connection. A rejection is
/// never remembered.
#[derive(Debug)]
pub(crate) struct VerifiedChains {
    inner: Arc<dyn ServerCertVerifier>,
    verified: Mutex<Vec<Verified>>,
}

#[derive(Debug)]
struct Verified {
    chain: Digest,
    /// Seconds since the epoch.
    at: u64,
}

type Digest = [u8; SHA256_OUTPUT_LEN];

/// In seconds: the connections of one storm.
const REMEMBERED: u64 = 10;
/// Far more servers than anybody has.
const AT_MOST: usize = 256;

impl VerifiedChains {
    pub(crate) fn new(inner: Arc<dyn ServerCertVerifier>) -> Self {
        Self { inner, verified: Mutex::default() }
    }

    /// Forgets what is too old, or dated ahead because the clock was set back; returns whether this chain is left.
    fn knows(&self, chain: &Digest, now: u64) -> bool {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.retain(|one| now.checked_sub(one.at).is_some_and(|age| age < REMEMBERED));
        verified.iter().any(|one| one.chain == *chain)
    }

    fn remember(&self, chain: Digest, at: u64) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() < AT_MOST {
            verified.push(Verified { chain, at });
        }
    }
}

/// The digest of all that the verdict depends on, each part preceded by its length.
fn digest(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    server_name: &ServerName<'_>,
    ocsp_response: &[u8],
) -> Digest {
    let mut context = Context::new(&SHA256);
    let mut take = |part: &[u8]| {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    };
    take(server_name.to_str().as_bytes());
    take(ocsp_response);
    take(end_entity);
    intermediates.iter().for_each(|certificate| take(certificate));
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

impl ServerCertVerifier for VerifiedChains {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = digest(end_entity, intermediates, server_name, ocsp_response);
        if self.knows(&chain, now.as_secs()) {
            return Ok(ServerCertVerified::assertion());
        }
        let verified =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        self.remember(chain, now.as_secs());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails")]
    use super::*;
    use rustls::CertificateError;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Accepts certificates that begin with 1, and counts how often it was asked.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl ServerCertVerifier for Counting {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match end_entity.first() {
                Some(1) => Ok(ServerCertVerified::assertion()),
                _ => Err(CertificateError::UnknownIssuer.into()),
            }
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::HandshakeNotComplete)
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::HandshakeNotComplete)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Vec::new()
        }
    }

    /// The server's certificate, the intermediate ones, the name, the OCSP response.
    type Shown<'a> = (&'a [u8], &'a [&'a [u8]], &'a str, &'a [u8]);

    struct Storm {
        inner: Arc<Counting>,
        chains: VerifiedChains,
    }

    impl Storm {
        fn new() -> Self {
            let inner = Arc::new(Counting::default());
            Self { chains: VerifiedChains::new(Arc::clone(&inner) as _), inner }
        }

        fn connect(&self, end: &[u8], intermediates: &[&[u8]], name: &str, ocsp: &[u8], at: u64) -> bool {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let intermediates: Vec<_> =
                intermediates.iter().map(|one| CertificateDer::from_slice(one)).collect();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(at));
            let end = CertificateDer::from_slice(end);
            self.chains.verify_server_cert(&end, &intermediates, &name, ocsp, now).is_ok()
        }

        fn asked(&self) -> usize {
            self.inner.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_same_certificates_are_verified_once_for_a_name() {
        let storm = Storm::new();
        for at in [1000, 1000, 1009] {
            assert!(storm.connect(&[1, 2], &[&[3], &[4]], "a.example", &[], at));
        }
        assert_eq!(storm.asked(), 1);
    }

    #[test]
    fn whatever_differs_is_verified() {
        let storm = Storm::new();
        storm.connect(&[1, 2], &[&[3], &[4]], "a.example", &[], 1000);
        let others: [Shown<'_>; 7] = [
            (&[1, 2], &[&[3], &[4]], "b.example", &[]),
            (&[1, 2], &[&[3], &[4]], "a.example", &[9]),
            (&[1, 5], &[&[3], &[4]], "a.example", &[]),
            (&[1, 2], &[&[3]], "a.example", &[]),
            (&[1, 2], &[&[3, 4]], "a.example", &[]),
            (&[1, 2], &[&[4], &[3]], "a.example", &[]),
            (&[1, 2, 3], &[&[4]], "a.example", &[]),
        ];
        for (number, (end, intermediates, name, ocsp)) in others.into_iter().enumerate() {
            assert!(storm.connect(end, intermediates, name, ocsp, 1000));
            assert_eq!(storm.asked(), number + 2, "{name} {end:?} {intermediates:?} {ocsp:?}");
        }
    }

    #[test]
    fn after_a_few_seconds_and_after_a_clock_that_was_set_back_it_is_verified_again() {
        let storm = Storm::new();
        for (number, at) in [1000, 1010, 1005].into_iter().enumerate() {
            assert!(storm.connect(&[1], &[], "a.example", &[], at));
            assert_eq!(storm.asked(), number + 1);
        }
    }

    #[test]
    fn a_rejection_is_not_remembered() {
        let storm = Storm::new();
        assert!(!storm.connect(&[2], &[], "a.example", &[], 1000));
        assert!(!storm.connect(&[2], &[], "a.example", &[], 1000));
        assert_eq!(storm.asked(), 2);
    }
}
