//! HTTPS: authorities of one's own in every form that OpenSSL takes.

use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::certificates::{Cabinet, Manner, P256, P384, P521, RSA_1024, RSA_2048};
use crate::parity::lab::Lab;
use scripted_server::{Certificates, Listen, Script};
use std::net::{IpAddr, Ipv4Addr};
use tempfile::TempDir;

/// The variable that names a file of further authorities.
pub(super) const EXTRA: &str = "NODE_EXTRA_CA_CERTS";
const NAMES: &str = "DNS:localhost,DNS:mcp.test,DNS:direct.test,IP:127.0.0.1,IP:::1";

const LOCALHOST: &str = "subjectAltName=DNS:localhost";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE";
const IDENTIFIERS: [&str; 2] = ["subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid:always"];

pub(super) const CASES: &[Case] = &[
    Case::connects("tls: NODE_EXTRA_CA_CERTS in the environment", || over_tls(Script::default())),
    Case::connects("tls: NODE_EXTRA_CA_CERTS in settings.json", || {
        let (lab, bundle) = with_authority(P256, P256, "localhost")?;
        Ok(lab.setting(EXTRA, bundle))
    }),
    Case::fails("tls: unknown authority", "certificate", || Ok(with_authority(P256, P256, "localhost")?.0)),
    Case::connects("tls: authority of P-384, signature by SHA-384", || trusted(P384, P384)),
    Case::connects("tls: authority of P-521", || trusted(P521, P256.signed_by("-sha512"))),
    Case::connects("tls: authority of P-521, signature by SHA-256", || trusted(P521, P256)),
    Case::connects("tls: authority of P-256, signature by SHA-512", || {
        trusted(P256.signed_by("-sha512"), P256.signed_by("-sha512"))
    }),
    Case::connects("tls: authority of P-384, signature by SHA-512", || {
        trusted(P384, P256.signed_by("-sha512"))
    }),
    Case::connects("tls: authority of P-384, signature by SHA-256", || trusted(P384, P256)),
    Case::connects("tls: authority of RSA, signature by SHA-512", || {
        trusted(RSA_2048, RSA_2048.signed_by("-sha512"))
    }),
    Case::refused("tls: signature by SHA-1", "SHA-1", || trusted(P256, P256.signed_by("-sha1"))),
    Case::refused("tls: authority of RSA with 1024 bits", "RSA", || trusted(RSA_1024, P256)),
    Case::fails("tls: certificate names another host", "certificate", || {
        let folder = folder()?;
        let cabinet = Cabinet(&folder);
        cabinet.authority("ca", P256)?;
        cabinet.leaf("leaf", P256, "DNS:other.test", "ca")?;
        let bundle = cabinet.write("bundle.pem", cabinet.read("ca.pem")?)?;
        Ok(serving(folder, "leaf", "localhost", None)?.variable(EXTRA, bundle))
    }),
    Case::refused("tls: name in the common name only", "the name in CN is not used", || {
        let folder = folder()?;
        let cabinet = Cabinet(&folder);
        cabinet.authority("ca", P256)?;
        cabinet.leaf("leaf", P256, "email:somebody@example.test", "ca")?;
        let bundle = cabinet.write("bundle.pem", cabinet.read("ca.pem")?)?;
        Ok(serving(folder, "leaf", "localhost", None)?.variable(EXTRA, bundle))
    }),
    // As `openssl req -x509` makes it unless told otherwise.
    Case::connects("tls: self-signed certificate of an authority", || {
        alone(&[AUTHORITY, IDENTIFIERS[0], IDENTIFIERS[1], LOCALHOST])
    }),
    Case::connects("tls: self-signed certificate of an authority, in settings.json", || {
        let mut lab = alone(&[AUTHORITY, IDENTIFIERS[0], IDENTIFIERS[1], LOCALHOST])?;
        let (name, value) = lab.environment.pop().unwrap_or_default();
        Ok(lab.setting(&name, value))
    }),
    Case::fails("tls: self-signed certificate of an authority, without identifiers", "certificate", || {
        alone(&[AUTHORITY, LOCALHOST])
    }),
    Case::connects("tls: self-signed certificate of no authority", || {
        alone(&["basicConstraints=critical,CA:FALSE", IDENTIFIERS[0], IDENTIFIERS[1], LOCALHOST])
    }),
    Case::fails("tls: self-signed certificate without any constraints", "certificate", || {
        alone(&[LOCALHOST])
    }),
    Case::connects("tls: bundle with a damaged certificate first", || {
        bundled(|cabinet| {
            let damaged = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n";
            cabinet.write("bundle.pem", format!("{damaged}{}", cabinet.read("ca.pem")?))
        })
    }),
    Case::connects("tls: bundle with a damaged certificate last", || {
        bundled(|cabinet| {
            let damaged = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n";
            cabinet.write("bundle.pem", format!("{}{damaged}", cabinet.read("ca.pem")?))
        })
    }),
    Case::connects("tls: bundle with comments", || {
        bundled(|cabinet| {
            let ca = cabinet.read("ca.pem")?;
            cabinet
                .write("bundle.pem", format!("# Company root, 2026\nsubject=/CN=x\n\n{ca}\n# the end: ---\n"))
        })
    }),
    Case::connects("tls: bundle with lines of Windows", || {
        bundled(|cabinet| cabinet.write("bundle.pem", cabinet.read("ca.pem")?.replace('\n', "\r\n")))
    }),
    Case::fails("tls: bundle with a byte-order mark", "certificate", || {
        bundled(|cabinet| cabinet.write("bundle.pem", format!("\u{feff}{}", cabinet.read("ca.pem")?)))
    }),
    Case::connects("tls: bundle with a key in it", || {
        bundled(|cabinet| {
            let both = format!("{}{}", cabinet.read("ca.key")?, cabinet.read("ca.pem")?);
            cabinet.write("bundle.pem", both)
        })
    }),
    Case::fails("tls: bundle of TRUSTED CERTIFICATE", "certificate", || {
        bundled(|cabinet| cabinet.convert("ca", &["-trustout"], "bundle.pem"))
    }),
    Case::connects("tls: bundle in X509 CERTIFICATE blocks", || {
        bundled(|cabinet| {
            let ca = cabinet.read("ca.pem")?.replace("CERTIFICATE-", "X509 CERTIFICATE-");
            cabinet.write("bundle.pem", ca)
        })
    }),
    Case::fails("tls: bundle in DER", "certificate", || {
        bundled(|cabinet| cabinet.convert("ca", &["-outform", "DER"], "bundle.der"))
    }),
    Case::fails("tls: bundle is not there", "certificate", || {
        bundled(|cabinet| Ok(cabinet.path("missing.pem").to_string_lossy().into_owned()))
    }),
    Case::connects("tls: authority by SSL_CERT_FILE", || {
        let (lab, bundle) = with_authority(P256, P256, "localhost")?;
        Ok(lab.variable("SSL_CERT_FILE", bundle))
    }),
    Case::refused(
        "tls: any certificate by NODE_TLS_REJECT_UNAUTHORIZED=0",
        "despite NODE_TLS_REJECT_UNAUTHORIZED",
        || {
            let (lab, _) = with_authority(P256, P256, "localhost")?;
            Ok(lab.variable("NODE_TLS_REJECT_UNAUTHORIZED", "0"))
        },
    ),
    Case::connects("tls: client certificate", || {
        let (lab, certificate, key) = mutual()?;
        Ok(lab.variable("CLAUDE_CODE_CLIENT_CERT", certificate).variable("CLAUDE_CODE_CLIENT_KEY", key))
    }),
    Case::connects("tls: client certificate in settings.json", || {
        let (lab, certificate, key) = mutual()?;
        Ok(lab.setting("CLAUDE_CODE_CLIENT_CERT", certificate).setting("CLAUDE_CODE_CLIENT_KEY", key))
    }),
    Case::connects("tls: client certificate, its key encrypted", || {
        let (lab, certificate, _) = mutual()?;
        let key = Cabinet(&lab.folder).encrypt("client", "s3cret")?;
        Ok(lab
            .variable("CLAUDE_CODE_CLIENT_CERT", certificate)
            .variable("CLAUDE_CODE_CLIENT_KEY", key)
            .variable("CLAUDE_CODE_CLIENT_KEY_PASSPHRASE", "s3cret"))
    }),
    Case::fails("tls: client certificate lacking", "certificate", || Ok(mutual()?.0)),
];

pub(super) fn folder() -> Fallible<TempDir> {
    Ok(TempDir::with_prefix("parity-")?)
}

/// A server at `https://localhost` whose authority is trusted by variable.
pub(super) fn over_tls(script: Script) -> Fallible<Lab> {
    let (lab, bundle) = with_authority(P256, P256, "localhost")?;
    lab.server.set(|current| *current = script);
    Ok(lab.variable(EXTRA, bundle))
}

/// A server of such an authority and certificate, and the path of the authority's file.
pub(super) fn with_authority(authority: Manner, leaf: Manner, host: &str) -> Fallible<(Lab, String)> {
    let folder = folder()?;
    let cabinet = Cabinet(&folder);
    cabinet.authority("ca", authority)?;
    cabinet.leaf("leaf", leaf, NAMES, "ca")?;
    let bundle = cabinet.write("bundle.pem", cabinet.read("ca.pem")?)?;
    Ok((serving(folder, "leaf", host, None)?, bundle))
}

fn trusted(authority: Manner, leaf: Manner) -> Fallible<Lab> {
    let (lab, bundle) = with_authority(authority, leaf, "localhost")?;
    Ok(lab.variable(EXTRA, bundle))
}

/// A certificate that is its own authority, and trusted.
fn alone(extensions: &[&str]) -> Fallible<Lab> {
    let folder = folder()?;
    let cabinet = Cabinet(&folder);
    cabinet.alone("leaf", P256, extensions)?;
    let bundle = cabinet.write("bundle.pem", cabinet.read("leaf.pem")?)?;
    Ok(serving(folder, "leaf", "localhost", None)?.variable(EXTRA, bundle))
}

/// An ordinary authority in a file of another form; `write` gives back its path.
fn bundled(write: fn(&Cabinet<'_>) -> Fallible<String>) -> Fallible<Lab> {
    let (lab, _) = with_authority(P256, P256, "localhost")?;
    let bundle = write(&Cabinet(&lab.folder))?;
    Ok(lab.variable(EXTRA, bundle))
}

/// A server that demands a certificate of its clients; and the paths of one and its key.
fn mutual() -> Fallible<(Lab, String, String)> {
    let folder = folder()?;
    let cabinet = Cabinet(&folder);
    cabinet.authority("ca", P256)?;
    cabinet.leaf("leaf", P256, NAMES, "ca")?;
    cabinet.leaf("client", P256, "DNS:client.test", "ca")?;
    let bundle = cabinet.write("bundle.pem", cabinet.read("ca.pem")?)?;
    let [certificate, key] = ["client.pem", "client.key"].map(|file| {
        let path = cabinet.path(file);
        path.to_string_lossy().into_owned()
    });
    let lab = serving(folder, "leaf", "localhost", Some("ca"))?;
    Ok((lab.variable(EXTRA, bundle), certificate, key))
}

fn serving(folder: TempDir, leaf: &str, host: &str, client_authority: Option<&str>) -> Fallible<Lab> {
    let cabinet = Cabinet(&folder);
    let certificates = Certificates {
        chain: cabinet.read(&format!("{leaf}.pem"))?,
        key: cabinet.read(&format!("{leaf}.key"))?,
        client_authority: client_authority.map(|name| cabinet.read(&format!("{name}.pem"))).transpose()?,
    };
    let address = if host == "[::1]" {
        IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
    } else {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    };
    let listen = Listen { address, host: host.to_owned(), certificates: Some(certificates) };
    Lab::listening(&listen, Script::default(), folder)
}
