use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use rustls::{CipherSuite, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt;
use std::sync::LazyLock;

/// Ring's provider, extended by the ECDSA signatures that Claude Code's TLS library accepts and ring does not support (measured with
/// 2.1.332): keys on P-521, and SHA-512 with keys on P-256 and P-384. TLS-inspecting proxies and private CAs use them.
///
/// This weakens nothing: each of these hashes and curves is at least as strong as those that ring accepts.
///
/// Of the suites of TLS 1.3 it offers AES-128 with SHA-256 first, as browsers do: most of a handshake besides its signatures is hashing, and
/// few processors have instructions for SHA-384.
pub(crate) fn provider() -> CryptoProvider {
    let signature_verification_algorithms = WebPkiSupportedAlgorithms { all: &ALL, mapping: &MAPPING };
    let mut provider = CryptoProvider { signature_verification_algorithms, ..ring::default_provider() };
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// ECDSA signature verification for one curve and one hash.
struct Ecdsa {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    /// Key, message and signature.
    verifies: fn(&[u8], &[u8], &[u8]) -> bool,
}

impl fmt::Debug for Ecdsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ecdsa").finish_non_exhaustive()
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        // Like ring: points must be uncompressed (RFC 8422, section 5.4.1).
        let uncompressed = key.first() == Some(&4);
        if uncompressed && (self.verifies)(key, message, signature) { Ok(()) } else { Err(InvalidSignature) }
    }
}

fn p256(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::{Signature, VerifyingKey};
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(key), Signature::from_der(signature))
    else {
        return false;
    };
    key.verify_prehash(&Sha512::digest(message), &signature).is_ok()
}

fn p384(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p384::ecdsa::{Signature, VerifyingKey};
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(key), Signature::from_der(signature))
    else {
        return false;
    };
    key.verify_prehash(&Sha512::digest(message), &signature).is_ok()
}

fn p521<D: Digest>(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p521::ecdsa::{Signature, VerifyingKey};
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(key), Signature::from_der(signature))
    else {
        return false;
    };
    // The library rejects hashes of less than half the field's 66 bytes, such as SHA-256. Leading zeros do not change the number.
    let mut number = [0; 66];
    let hash = D::digest(message);
    let Some(place) = number.len().checked_sub(hash.len()).and_then(|from| number.get_mut(from..)) else {
        return false;
    };
    place.copy_from_slice(&hash);
    key.verify_prehash(&number, &signature).is_ok()
}

static P256_SHA512: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { key: alg_id::ECDSA_P256, signature: alg_id::ECDSA_SHA512, verifies: p256 };
static P384_SHA512: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { key: alg_id::ECDSA_P384, signature: alg_id::ECDSA_SHA512, verifies: p384 };
static P521_SHA256: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { key: alg_id::ECDSA_P521, signature: alg_id::ECDSA_SHA256, verifies: p521::<Sha256> };
static P521_SHA384: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { key: alg_id::ECDSA_P521, signature: alg_id::ECDSA_SHA384, verifies: p521::<Sha384> };
static P521_SHA512: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { key: alg_id::ECDSA_P521, signature: alg_id::ECDSA_SHA512, verifies: p521::<Sha512> };

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

static SHA512: Algorithms = &[P521_SHA512, P384_SHA512, P256_SHA512];

/// Ring's algorithms for certificates, plus these.
static ALL: LazyLock<Vec<&'static dyn SignatureVerificationAlgorithm>> = LazyLock::new(|| {
    let more = [P256_SHA512, P384_SHA512, P521_SHA256, P521_SHA384, P521_SHA512];
    rings().all.iter().copied().chain(more).collect()
});

/// Ring's algorithms for handshakes, plus these: TLS 1.3 uses the first of a scheme, TLS 1.2 leaves the curve open.
static MAPPING: LazyLock<Vec<(SignatureScheme, Algorithms)>> = LazyLock::new(|| {
    let more = |scheme| match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256 => Some(P521_SHA256),
        SignatureScheme::ECDSA_NISTP384_SHA384 => Some(P521_SHA384),
        _ => None,
    };
    let rings = rings().mapping.iter().map(|(scheme, algorithms)| match more(*scheme) {
        Some(more) => {
            let all: Vec<_> = algorithms.iter().copied().chain([more]).collect();
            (*scheme, &*Vec::leak(all))
        }
        None => (*scheme, *algorithms),
    });
    let mut mapping: Vec<_> = rings.collect();
    mapping.push((SignatureScheme::ECDSA_NISTP521_SHA512, SHA512));
    mapping
});

fn rings() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}
