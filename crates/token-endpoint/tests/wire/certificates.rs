mod client;

use crate::sending::request;
use crate::server::{Server, json};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use token_endpoint::{ClientCertificate, Http, HttpError, HttpOptions, SendError, UnsentKind};
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
async fn an_untrusted_certificate_is_rejected_with_a_remedy() {
    let site = Site::start(|_| ()).await;
    let why = site.refused(&HttpOptions::default()).await;
    assert!(why.contains("cannot verify") && why.contains("`extra_ca`"), "{why}");
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
async fn an_unusable_ca_file_is_named() {
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
    assert!(why().contains("is invalid"), "{}", why());
}

/// The folder of what was made by `make.sh`.
fn made(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/certificates")).join(name)
}

/// A server with one of those certificates.
async fn made_site(name: &str) -> Site {
    let certificate = CertificateDer::from_pem_file(made(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(made(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    Site {
        server: Server::start_with(Some(tls), |_| json(200, PAIR)).await,
        folder: tempfile::tempdir().unwrap(),
    }
}

#[tokio::test]
async fn signatures_that_claude_code_accepts_are_accepted() {
    for (name, authority) in [
        ("p256-sha512", "p256"),
        ("p384-sha512", "p384"),
        ("p521-sha256", "p521"),
        ("p521-sha384", "p521"),
        ("p521-sha512", "p521"),
    ] {
        let site = made_site(name).await;
        let http = Http::new(&trusting(made(&format!("{authority}.pem")))).unwrap();
        let answer = http.send(&request(&site.endpoint())).await;
        assert_eq!(answer.map(|answer| answer.status), Ok(200), "{name}");
        // Only by the key that signed it.
        let other = if authority == "p384" { "p256.pem" } else { "p384.pem" };
        made_site(name).await.refused(&trusting(made(other))).await;
    }
}

#[tokio::test]
async fn a_forged_signature_is_rejected() {
    for name in ["p256-sha512", "p384-sha512", "p521-sha256", "p521-sha512"] {
        let whole = CertificateDer::from_pem_file(made(&format!("{name}.pem"))).unwrap();
        let mut bytes = whole.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let key = PrivateKeyDer::from_pem_file(made(&format!("{name}.key"))).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(bytes)], key)
            .unwrap();
        let server = Server::start_with(Some(TlsAcceptor::from(Arc::new(config))), |_| json(200, PAIR)).await;
        let site = Site { server, folder: tempfile::tempdir().unwrap() };
        let authority = made(&format!("{}.pem", &name[..4]));
        site.refused(&trusting(authority)).await;
    }
}

#[tokio::test]
async fn deliberate_rejections_are_explained_as_such() {
    for (name, authority, why) in
        [("sha1", "p256", "SHA-1"), ("rsa-sha1", "rsa", "SHA-1"), ("name-in-cn", "p256", "subjectAltName")]
    {
        let site = made_site(name).await;
        let told = site.refused(&trusting(made(&format!("{authority}.pem")))).await;
        assert!(told.contains(why) && told.contains("on purpose") && !told.contains("extra_ca"), "{told}");
    }
    let http = Http::new(&trusting(made("rsa-1024.pem"))).unwrap();
    assert!(http.passed_over().iter().any(|told| told.contains("fewer than 2048 bits")));
}

#[tokio::test]
async fn a_personal_certificate_has_no_host_and_one_for_another_host_is_reported_as_a_mismatch() {
    for (name, on_purpose) in [
        (SanType::Rfc822Name("me@lab.example".try_into().unwrap()), true),
        (SanType::DnsName("other.example".try_into().unwrap()), false),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::default();
        own.subject_alt_names = vec![name];
        let own = own.self_signed(&key).unwrap();
        let server = Server::start_with(Some(acceptor(own.der().clone(), &key)), |_| json(200, PAIR)).await;
        let site = Site { server, folder: tempfile::tempdir().unwrap() };
        std::fs::write(site.ca(), own.pem()).unwrap();
        let told = site.refused(&trusting(site.ca())).await;
        assert_eq!(told.contains("the name in CN is not used"), on_purpose, "{told}");
        assert_eq!(told.contains("on purpose"), on_purpose, "{told}");
    }
}

#[tokio::test]
async fn a_wish_to_skip_verification_is_ignored_and_the_error_says_so() {
    let site = Site::start(|_| ()).await;
    let options = HttpOptions { asked_not_to_verify: true, ..HttpOptions::default() };
    let told = site.refused(&options).await;
    assert!(
        told.contains("on purpose, despite NODE_TLS_REJECT_UNAUTHORIZED=0") && told.contains("extra_ca"),
        "{told}"
    );
    // What helps is told, and helps.
    let http = Http::new(&HttpOptions { asked_not_to_verify: true, ..trusting(site.ca()) }).unwrap();
    assert_eq!(http.send(&request(&site.endpoint())).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_servers_certificate_that_is_its_own_authority_is_trusted_for_its_own_name() {
    for (names, ca, end, reached) in [
        (["localhost"], true, 2099, true),
        (["localhost"], false, 2099, true),
        (["other.example"], true, 2099, false),
        (["localhost"], true, 2020, false),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(names.map(str::to_owned)).unwrap();
        own.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        own.not_after = rcgen::date_time_ymd(end, 1, 1);
        let own = own.self_signed(&key).unwrap();
        let server = Server::start_with(Some(acceptor(own.der().clone(), &key)), |_| json(200, PAIR)).await;
        let site = Site { server, folder: tempfile::tempdir().unwrap() };
        std::fs::write(site.ca(), own.pem()).unwrap();
        if reached {
            let http = Http::new(&trusting(site.ca())).unwrap();
            assert_eq!(http.send(&request(&site.endpoint())).await.unwrap().status, 200, "{ca}");
        } else {
            site.refused(&trusting(site.ca())).await;
        }
        // Another one of the same name is not this one.
        let key = KeyPair::generate().unwrap();
        let mut other = CertificateParams::new(names.map(str::to_owned)).unwrap();
        other.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(site.folder.path().join("other.pem"), other.self_signed(&key).unwrap().pem()).unwrap();
        let http = Http::new(&trusting(site.folder.path().join("other.pem"))).unwrap();
        assert!(http.send(&request(&site.endpoint())).await.is_err());
    }
}

#[tokio::test]
async fn one_damaged_certificate_does_not_affect_the_others() {
    let site = Site::start(|_| ()).await;
    let good = std::fs::read_to_string(site.ca()).unwrap();
    let bundle = site.folder.path().join("bundle.pem");
    let der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let base64 = "-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n";
    let cut = &good[..good.len() / 2];
    for (text, number) in [
        (format!("{der}{good}"), "certificate 1 (line 1)"),
        (format!("{good}{der}"), "certificate 2"),
        (format!("{base64}{good}"), "certificate 1"),
        (format!("{cut}\n{good}"), "certificate 1"),
        (format!("{good}{cut}"), "certificate 2"),
    ] {
        std::fs::write(&bundle, text).unwrap();
        let http = Http::new(&trusting(bundle.clone())).unwrap();
        assert_eq!(http.send(&request(&site.endpoint())).await.unwrap().status, 200, "{number}");
        let [told] = http.passed_over() else { panic!("{:?}", http.passed_over()) };
        assert!(told.contains(number) && told.contains("bundle.pem"), "{told}");
    }
}

#[tokio::test]
async fn a_bundle_is_read_in_every_format() {
    let site = Site::start(|_| ()).await;
    let good = std::fs::read_to_string(site.ca()).unwrap();
    let bundle = site.folder.path().join("bundle.pem");
    let lines: Vec<_> = good.lines().collect();
    for text in [
        format!("# ours\nSubject: CN=ours\n    Validity\n{good}\nend\n"),
        good.replace('\n', "\r\n"),
        format!("\u{feff}{good}"),
        good.replace('\n', "\n  "),
        good.replace("CERTIFICATE", "X509 CERTIFICATE"),
        format!("{}\n{}\n{}", lines[0], lines[1..lines.len() - 1].concat(), lines[lines.len() - 1]),
        format!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{good}"),
    ] {
        std::fs::write(&bundle, &text).unwrap();
        let http = Http::new(&trusting(bundle.clone())).unwrap();
        assert_eq!(http.send(&request(&site.endpoint())).await.unwrap().status, 200, "{text}");
        assert!(http.passed_over().is_empty(), "{:?}", http.passed_over());
    }
    for file in ["trusted.pem", "p256.der"] {
        let site = made_site("p256-sha512").await;
        let http = Http::new(&trusting(made(file))).unwrap();
        assert_eq!(http.send(&request(&site.endpoint())).await.unwrap().status, 200, "{file}");
    }
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
