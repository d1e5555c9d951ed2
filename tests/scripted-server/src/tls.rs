//! A certificate for `localhost`, made at each start, or one that is brought along.

use std::io;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What a server shows and demands, all in PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The server's certificate, then those of the authorities above it.
    pub chain: String,
    /// Its private key.
    pub key: String,
    /// The authority of the clients' certificates: without such a certificate nobody is served (mutual TLS).
    pub client_authority: Option<String>,
}

pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Identity {
    /// A chain as public servers show it: an authority of its own, an intermediate one, and a certificate signed by that. A self-signed one
    /// would not do: verifiers refuse an authority as a server.
    pub(crate) fn make() -> io::Result<Self> {
        let authority_key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let parameters = authority_named(&authority_key, "authority");
        let authority = parameters.self_signed(&authority_key).map_err(io::Error::other)?;
        let issuer = rcgen::Issuer::from_params(&parameters, authority_key);

        let intermediate_key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let parameters = authority_named(&intermediate_key, "intermediate authority");
        let intermediate = parameters.signed_by(&intermediate_key, &issuer).map_err(io::Error::other)?;
        let issuer = rcgen::Issuer::from_params(&parameters, intermediate_key);

        let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut leaf = rcgen::CertificateParams::new(names).map_err(io::Error::other)?;
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = leaf.signed_by(&key, &issuer).map_err(io::Error::other)?;

        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone(), intermediate.der().clone()], private)
            .map_err(io::Error::other)?;
        Ok(Self { ca_pem: authority.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// These certificates, whatever a client thinks of them.
    pub(crate) fn brought(certificates: &Certificates) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let parse = |pem: &str| -> io::Result<Vec<CertificateDer<'static>>> {
            CertificateDer::pem_slice_iter(pem.as_bytes())
                .map(|read| read.map_err(io::Error::other))
                .collect()
        };
        let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).map_err(io::Error::other)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match &certificates.client_authority {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(parse(authority)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
            }
        };
        let config = builder.with_single_cert(parse(&certificates.chain)?, key).map_err(io::Error::other)?;
        Ok(Self { ca_pem: certificates.chain.clone(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// An authority whose name is told from others by its key: verifiers try every authority of a name.
fn authority_named(key: &rcgen::KeyPair, kind: &str) -> rcgen::CertificateParams {
    let of_key: String =
        key.public_key_raw().iter().skip(1).take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, format!("scripted-server {kind} {of_key}"));
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters
}
