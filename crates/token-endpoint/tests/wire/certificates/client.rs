//! Client certificates (mutual TLS).

use super::*;

/// A server that asks for a certificate of the authority `p256`.
async fn asking_site() -> Site {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(made("p256.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let asks =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let certificate = CertificateDer::from_pem_file(made("p256-sha512.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(made("p256-sha512.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(asks)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    Site {
        server: Server::start_with(Some(tls), |_| json(200, PAIR)).await,
        folder: tempfile::tempdir().unwrap(),
    }
}

fn showing(key: &str, passphrase: Option<&str>) -> HttpOptions {
    let client = ClientCertificate {
        certificate: made("name-in-cn.pem"),
        key: Some(made(key)),
        passphrase: passphrase.map(|text| text.to_owned().into()),
    };
    HttpOptions { client_certificate: Some(client), ..trusting(made("p256.pem")) }
}

#[tokio::test]
async fn a_server_that_requests_a_certificate_gets_it() {
    for (key, passphrase) in [
        ("name-in-cn.key", None),
        ("name-in-cn.sec1.key", None),
        ("name-in-cn.encrypted.key", Some("open-sesame")),
        ("name-in-cn.key", Some("not needed")),
    ] {
        let site = asking_site().await;
        let http = Http::new(&showing(key, passphrase)).unwrap();
        assert_eq!(http.send(&request(&site.endpoint())).await.unwrap().status, 200, "{key}");
    }
    let site = asking_site().await;
    let error =
        Http::new(&trusting(made("p256.pem"))).unwrap().send(&request(&site.endpoint())).await.unwrap_err();
    let SendError::Unsent { why, kind: UnsentKind::Tls } = error else { panic!("{error:?}") };
    assert!(why.contains("CLAUDE_CODE_CLIENT_CERT") && site.server.requests().is_empty(), "{why}");
}

#[tokio::test]
async fn an_unusable_client_certificate_is_named_but_never_its_passphrase() {
    for (key, passphrase, why) in [
        ("missing.key", None, "No such file"),
        ("name-in-cn.encrypted.key", None, "no passphrase is set"),
        ("name-in-cn.encrypted.key", Some("open-barley"), "does not decrypt its key"),
        ("name-in-cn.legacy.key", Some("open-sesame"), "openssl pkcs8"),
        ("p256-sha512.key", None, "the certificate"),
        ("p256.pem", None, "no private key"),
    ] {
        let options = showing(key, passphrase);
        let error = Http::new(&options).unwrap_err();
        let told = format!("{error} {error:?} {options:?}");
        assert!(matches!(error, HttpError::ClientCertificate { .. }), "{told}");
        assert!(told.contains(key) && told.contains(why) && !told.contains("open-"), "{told}");
    }
}
