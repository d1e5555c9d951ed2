use crate::sending::request;
use crate::server::{Server, json};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use token_endpoint::{Http, HttpError, HttpOptions, SendError, UnsentKind};
use tokio_rustls::TlsAcceptor;

const PAIR: &str = r#"{"access_token":"at_new","refresh_token":"rt_new"}"#;
const URL: &str = "TOKEN_ENDPOINT_TEST_URL";

/// A CA, and a server that shows a certificate of that CA.
struct Site {
    server: Server,
    folder: tempfile::TempDir,
}

impl Site {
    async fn start(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut leaf);
        let leaf = leaf.signed_by(&key, &issuer).unwrap();

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca_pem).unwrap();
        let server = Server::start_with(Some(acceptor(leaf.der().clone(), &key)), |_| json(200, PAIR)).await;
        Self { server, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn endpoint(&self) -> String {
        format!("https://localhost:{}/token", self.server.port)
    }

    /// Why nothing was sent to it.
    async fn refused(&self, options: &HttpOptions) -> String {
        let error = Http::new(options).unwrap().send(&request(&self.endpoint())).await.unwrap_err();
        let SendError::Unsent { why, kind: UnsentKind::Certificate } = error else { panic!("{error:?}") };
        assert!(why.contains(&format!("localhost:{}", self.server.port)), "{why}");
        assert!(self.server.requests().is_empty(), "nothing left this machine");
        why
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn trusting(path: PathBuf) -> HttpOptions {
    HttpOptions { extra_ca: vec![path], ..HttpOptions::default() }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_and_the_cure_named() {
    let site = Site::start(|_| ()).await;
    let why = site.refused(&HttpOptions::default()).await;
    assert!(why.contains("does not verify") && why.contains("`extra_ca`"), "{why}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused() {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server =
        Server::start_with(Some(acceptor(certificate.der().clone(), &key)), |_| json(200, PAIR)).await;
    let site = Site { server, folder: tempfile::tempdir().unwrap() };
    site.refused(&HttpOptions::default()).await;
}

#[tokio::test]
async fn an_extra_ca_is_trusted() {
    let site = Site::start(|_| ()).await;
    let answer = Http::new(&trusting(site.ca())).unwrap().send(&request(&site.endpoint())).await.unwrap();
    assert_eq!(answer.body.as_slice(), PAIR.as_bytes());
    assert_eq!(site.server.requests().len(), 1);
}

#[tokio::test]
async fn an_extra_ca_does_not_help_a_wrong_name_or_an_old_certificate() {
    let other =
        Site::start(|leaf| *leaf = CertificateParams::new(vec!["other.example".to_owned()]).unwrap()).await;
    other.refused(&trusting(other.ca())).await;
    let expired = Site::start(|leaf| leaf.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    expired.refused(&trusting(expired.ca())).await;
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let why = || match Http::new(&trusting(path.clone())) {
        Err(error @ HttpError::ExtraCa { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(why().contains("No such file") && why().contains("ca.pem"), "{}", why());
    std::fs::write(&path, "hello").unwrap();
    assert!(why().contains("no certificate"), "{}", why());
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap();
    assert!(why().contains("cannot be used"), "{}", why());
}

#[tokio::test]
async fn the_systems_cas_are_those_that_ssl_cert_file_names() {
    let site = Site::start(|_| ()).await;
    assert!(run("child_is_answered", &site, &site.ca()).await);
    assert!(run("child_has_no_cas", &site, &site.folder.path().join("missing")).await);
}

/// Runs one of the tests below in a process of its own: the environment of this one cannot be changed safely.
async fn run(name: &str, site: &Site, cert_file: &std::path::Path) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", &format!("certificates::{name}")])
        .env("SSL_CERT_FILE", cert_file)
        .env("SSL_CERT_DIR", site.folder.path().join("missing"))
        .env(URL, site.endpoint());
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && told, "{output:?}");
    told
}

#[tokio::test]
#[ignore = "run by the_systems_cas_are_those_that_ssl_cert_file_names"]
async fn child_is_answered() {
    let endpoint = std::env::var(URL).unwrap();
    let answer = Http::new(&HttpOptions::default()).unwrap().send(&request(&endpoint)).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
#[ignore = "run by the_systems_cas_are_those_that_ssl_cert_file_names"]
async fn child_has_no_cas() {
    let endpoint = std::env::var(URL).unwrap();
    let error = Http::new(&HttpOptions::default()).unwrap().send(&request(&endpoint)).await.unwrap_err();
    assert!(error.to_string().contains("no CA certificates"), "{error}");
}
