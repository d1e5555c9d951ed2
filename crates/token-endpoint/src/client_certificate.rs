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

/// Files with a certificate and its key, for servers and proxies that ask for one (mutual TLS).
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: its key. `None`: it is in the same file.
    pub key: Option<PathBuf>,
    /// What an encrypted key is opened with.
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

/// What TLS needs of it.
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
        unusable(
            path,
            format!("it holds no key that can be used here (RSA, P-256, P-384 and Ed25519 can): {error}"),
        )
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(_)) => {
            Err(unusable(path, "its key is not the one of the certificate".to_owned()))
        }
        // A certificate of version 1, as openssl makes without extensions, is for the server to judge.
        _ => Ok(certified),
    }
}

fn key(pem: &[u8], passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let text = std::str::from_utf8(pem).map_err(|_| "it is not a PEM file".to_owned())?;
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("its key is encrypted in a way that is out of use; type: openssl pkcs8 -topk8 -in KEY -out NEW-KEY".to_owned());
    }
    if let Some(encrypted) = encrypted(text) {
        let passphrase = passphrase.ok_or("its key is encrypted, and no passphrase is set")?;
        let der = encrypted.map_err(|()| "its encrypted key cannot be read".to_owned())?;
        let info = EncryptedPrivateKeyInfo::try_from(der.as_slice())
            .map_err(|error| format!("its encrypted key cannot be read: {error}"))?;
        let open = info
            .decrypt(passphrase)
            .map_err(|error| format!("its key cannot be opened with the passphrase that is set: {error}"))?;
        return Ok(PrivatePkcs8KeyDer::from(open.as_bytes().to_vec()).into());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("there is no private key in it: {error}"))
}

/// The bytes of the first encrypted key of RFC 5958 (`ENCRYPTED PRIVATE KEY`), if there is one.
fn encrypted(text: &str) -> Option<Result<Vec<u8>, ()>> {
    let (_, rest) = text.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let Some((body, _)) = rest.split_once("-----END ENCRYPTED PRIVATE KEY-----") else {
        return Some(Err(()));
    };
    Some(bundle::base64(body).map_err(|_| ()))
}
