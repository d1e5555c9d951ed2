use crate::{HttpError, bundle};
use pkcs8::EncryptedPrivateKeyInfo;
use rustls::Error;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Files with a certificate and its key, for servers and proxies that require one (mutual TLS).
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the certificate and its intermediates.
    pub certificate: PathBuf,
    /// PEM: the key. `None` if it is in the same file.
    pub key: Option<PathBuf>,
    /// The passphrase of an encrypted key.
    pub passphrase: Option<Zeroizing<String>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .field("passphrase", &self.passphrase.as_ref().map(|_| "…"))
            .finish()
    }
}

/// The TLS configuration for it.
pub(crate) fn read(client: &ClientCertificate, provider: &CryptoProvider) -> Result<CertifiedKey, HttpError> {
    let unusable = |path: &Path, why: String| HttpError::ClientCertificate { path: path.to_owned(), why };
    let chain =
        bundle::read(&client.certificate).map_err(|why| unusable(&client.certificate, why))?.certificates;
    let path = client.key.as_ref().unwrap_or(&client.certificate);
    let key = bundle::bytes_of(path)
        .map(Zeroizing::new)
        .and_then(|bytes| key(&bytes, client.passphrase.as_ref().map(|text| text.as_str())))
        .map_err(|why| unusable(path, why))?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| {
        unusable(path, format!("its key type is not supported (use RSA, P-256, P-384 or Ed25519): {error}"))
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(_)) => {
            Err(unusable(path, "its key does not match the certificate".to_owned()))
        }
        // Let the server judge a version 1 certificate, which openssl creates when there are no extensions.
        _ => Ok(certified),
    }
}

fn key(pem: &[u8], passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let text = std::str::from_utf8(pem).map_err(|_| "it is not a PEM file".to_owned())?;
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(
            "its key is encrypted in an obsolete format; run: openssl pkcs8 -topk8 -in KEY -out NEW-KEY"
                .to_owned(),
        );
    }
    if let Some(encrypted) = encrypted(text) {
        let passphrase = passphrase.ok_or("its key is encrypted, and no passphrase is set")?;
        let der = encrypted.map_err(|()| "its encrypted key is malformed".to_owned())?;
        let info = EncryptedPrivateKeyInfo::try_from(der.as_slice())
            .map_err(|error| format!("its encrypted key is malformed: {error}"))?;
        let open = info
            .decrypt(passphrase)
            .map_err(|error| format!("the configured passphrase does not decrypt its key: {error}"))?;
        return Ok(PrivatePkcs8KeyDer::from(open.as_bytes().to_vec()).into());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("it has no private key: {error}"))
}

/// The bytes of the first key encrypted as in RFC 5958 (`ENCRYPTED PRIVATE KEY`), if there is one.
fn encrypted(text: &str) -> Option<Result<Vec<u8>, ()>> {
    let (_, rest) = text.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let Some((body, _)) = rest.split_once("-----END ENCRYPTED PRIVATE KEY-----") else {
        return Some(Err(()));
    };
    Some(bundle::base64(body).map_err(|_| ()))
}
