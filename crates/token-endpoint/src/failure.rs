use crate::cleaned::harmless;
use crate::own_authority::WeakKey;
use rustls::{AlertDescription, CertificateError};
use std::error::Error as _;
use std::io;

/// Why a refresh request got no response, classified by what is known about the refresh token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection was established, so nothing was sent and the refresh token is certainly unspent.
    #[error("{why}")]
    Unsent {
        /// What happened, where, and what to do.
        why: String,
        /// The kind of failure.
        kind: UnsentKind,
    },
    /// The connection was lost after the request may have been sent, or the response was cut off.
    #[error("{why}")]
    Lost {
        /// What happened, for messages.
        why: String,
    },
    /// The response exceeds the size limit. As after a lost response, the outcome is unknown, and a retry would get the same.
    #[error("{why}")]
    TooBig {
        /// What happened, for messages.
        why: String,
    },
    /// Timed out before the response was complete; the server may still be working.
    #[error("{why}")]
    TimedOut {
        /// What happened, for messages.
        why: String,
    },
}

impl SendError {
    /// Adds the status of a response with an incomplete body.
    pub(crate) fn with_status(self, status: u16) -> Self {
        let add = |why| format!("{why}; the status was {status}");
        match self {
            Self::Lost { why } => Self::Lost { why: add(why) },
            Self::TooBig { why } => Self::TooBig { why: add(why) },
            Self::TimedOut { why } => Self::TimedOut { why: add(why) },
            unsent @ Self::Unsent { .. } => unsent,
        }
    }
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsentKind {
    /// The host's name could not be resolved.
    Dns,
    /// The connection was refused, or the network is unreachable.
    Unreachable,
    /// The host's certificate could not be verified.
    Certificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// Connecting timed out.
    ConnectTimeout,
    /// The request is not allowed: http to another host, a URL with credentials, a malformed URL.
    NotAllowed,
    /// Any other connection failure, including those of a proxy.
    Other,
}

/// The trust settings that the user should know about when verification fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    /// Whether there are any CA certificates.
    pub(crate) has_roots: bool,
    /// Whether the environment asks to skip verification.
    pub(crate) asked_not_to_verify: bool,
}

/// Classifies an error of reqwest before the response was complete. `host` is the request's destination.
pub(crate) fn of_reqwest(error: &reqwest::Error, host: &str, trust: Trust) -> SendError {
    // Only failures inside the connector are known to be unsent; anything else may have reached the server.
    if error.is_connect() {
        let (kind, why) = connect_failure(error, host, trust);
        return SendError::Unsent { why, kind };
    }
    if error.is_builder() {
        let why = format!("cannot build the request to {host}; check the URL of the token endpoint");
        return SendError::Unsent { why, kind: UnsentKind::NotAllowed };
    }
    if let Some(rustls::Error::AlertReceived(alert)) = find_tls(error)
        && is_about_our_certificate(*alert)
    {
        // In TLS 1.3 the client may send before the server has checked its certificate. A server that rejects it has not read the request.
        let why = format!(
            "{host} requires a client certificate that it trusts ({alert:?}); Claude Code presents the one that \
             CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY name, and so does mcp-refreshd"
        );
        return SendError::Unsent { why, kind: UnsentKind::Tls };
    }
    if error.is_timeout() {
        return SendError::TimedOut { why: format!("{host} did not respond in time") };
    }
    SendError::Lost {
        why: format!(
            "the connection to {host} was lost before the response was complete ({})",
            innermost(error)
        ),
    }
}

/// Alerts with which a server rejects the client's certificate, or the lack of one (RFC 8446, section 6.2).
fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

fn connect_failure(error: &reqwest::Error, host: &str, trust: Trust) -> (UnsentKind, String) {
    if let Some(tls) = find_tls(error) {
        return match tls {
            rustls::Error::InvalidCertificate(reason) => {
                let cure = if on_purpose(reason).is_some() {
                    "mcp-refreshd rejects this on purpose, even where Claude Code connects; the server needs another certificate"
                } else if trust.asked_not_to_verify {
                    "mcp-refreshd verifies it on purpose, despite NODE_TLS_REJECT_UNAUTHORIZED=0: anyone in between could read \
                     every token; name the CA's PEM file, or a self-signed certificate itself, in `extra_ca` or NODE_EXTRA_CA_CERTS"
                } else if trust.has_roots {
                    "if the host is your own or behind a TLS-inspecting proxy, add its CA's PEM file to `extra_ca`"
                } else {
                    "this machine has no CA certificates; install the ca-certificates package or set `extra_ca` to a PEM file"
                };
                (
                    UnsentKind::Certificate,
                    format!(
                        "cannot verify the certificate of {host} ({}); {cure}",
                        on_purpose(reason).map_or_else(|| harmless(&reason.to_string()), str::to_owned)
                    ),
                )
            }
            other => (UnsentKind::Tls, format!("no TLS with {host}: {}", harmless(&other.to_string()))),
        };
    }
    let reason = innermost(error);
    // The library does not export the type.
    if reason.contains("proxy authorization required") {
        let why = format!(
            "the proxy for {host} requires a password (HTTP 407); add name and password to its URL: http://NAME:PASSWORD@host:port"
        );
        return (UnsentKind::Other, why);
    }
    if error.is_timeout() {
        return (UnsentKind::ConnectTimeout, format!("connecting to {host} timed out"));
    }
    if error.is_dns() {
        return (UnsentKind::Dns, format!("cannot resolve the name {host} ({})", innermost(error)));
    }
    let unreachable = sources(error).filter_map(|source| source.downcast_ref::<io::Error>()).any(|source| {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
        matches!(source.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown)
    });
    let kind = if unreachable { UnsentKind::Unreachable } else { UnsentKind::Other };
    (kind, format!("cannot connect to {host} ({})", innermost(error)))
}

/// Explains certificates that are rejected although Claude Code accepts them (measured with 2.1.332).
fn on_purpose(reason: &CertificateError) -> Option<&'static str> {
    /// `ecdsa-with-SHA1` (RFC 3279, section 2.2.3) and `sha1WithRSAEncryption` (RFC 8017, appendix C), without tag and length.
    const SHA1: [&[u8]; 2] = [
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    ];
    match reason {
        CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id, ..
        } => {
            let sha1 =
                SHA1.iter().any(|oid| signature_algorithm_id.windows(oid.len()).any(|part| part == *oid));
            Some(if sha1 {
                "it is signed with SHA-1, which is forgeable"
            } else {
                "it is signed with an obsolete or unknown algorithm"
            })
        }
        CertificateError::NotValidForNameContext { presented, .. }
            if !presented.iter().any(|name| names_a_host(name)) =>
        {
            Some("it has no host in subjectAltName, and the name in CN is not used")
        }
        CertificateError::Other(other) if other.0.is::<WeakKey>() => {
            Some("its chain contains an RSA key of fewer than 2048 bits, which is breakable")
        }
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::UnsupportedCertVersion) => {
                Some("it has version 1: it has no subjectAltName, and the name in CN is not used")
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether this name in a certificate, as formatted by webpki, is a host's; others belong to people (`rfc822Name`).
fn names_a_host(name: &str) -> bool {
    ["DnsName(", "IpAddress("].iter().any(|kind| name.starts_with(kind))
}

fn sources<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

/// The TLS error inside an error: `io::Error` omits its inner error from `source`, so unwrap it.
fn find_tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    sources(error).find_map(|source| {
        source.downcast_ref::<rustls::Error>().or_else(|| {
            let mut inner = source.downcast_ref::<io::Error>()?.get_ref()?;
            loop {
                if let Some(found) = inner.downcast_ref::<rustls::Error>() {
                    return Some(found);
                }
                inner = inner.downcast_ref::<io::Error>()?.get_ref()?;
            }
        })
    })
}

/// The innermost error: the outer ones repeat the URL and say less.
fn innermost(error: &reqwest::Error) -> String {
    let reason = sources(error).last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    harmless(&reason)
}
