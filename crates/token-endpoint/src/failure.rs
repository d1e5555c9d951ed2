use crate::cleaned::harmless;
use crate::own_authority::WeakKey;
use rustls::{AlertDescription, CertificateError};
use std::error::Error as _;
use std::io;

/// Why there is no answer to a refresh request, sorted by what is known of the refresh token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection was made: nothing of the request left this machine, the refresh token is unspent for certain.
    #[error("{why}")]
    Unsent {
        /// What happened, where, and what can be done, for people.
        why: String,
        /// What kind of failure it was.
        kind: UnsentKind,
    },
    /// The connection was lost after the request may have been written, or the answer was cut.
    #[error("{why}")]
    Lost {
        /// What happened, for people.
        why: String,
    },
    /// The answer is too big to be one, as far as it was read. What became of the request is as unknown as after a lost answer, and another
    /// one gets the like.
    #[error("{why}")]
    TooBig {
        /// What happened, for people.
        why: String,
    },
    /// No whole answer within the time allowed; the server may still be working on it.
    #[error("{why}")]
    TimedOut {
        /// What happened, for people.
        why: String,
    },
}

impl SendError {
    /// Adds the status of an answer whose body did not come whole.
    pub(crate) fn with_status(self, status: u16) -> Self {
        let add = |why| format!("{why}; its status was {status}");
        match self {
            Self::Lost { why } => Self::Lost { why: add(why) },
            Self::TooBig { why } => Self::TooBig { why: add(why) },
            Self::TimedOut { why } => Self::TimedOut { why: add(why) },
            unsent @ Self::Unsent { .. } => unsent,
        }
    }
}

/// What kept a request from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsentKind {
    /// The host's name could not be looked up.
    Dns,
    /// Nobody listens there, or there is no way to that network.
    Unreachable,
    /// The host's certificate does not verify.
    Certificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// No connection within the time allowed.
    ConnectTimeout,
    /// The request itself cannot be sent: http to another host, a URL with credentials, a malformed one.
    NotAllowed,
    /// Any other failure to connect, the proxy's among them.
    Other,
}

/// What a certificate is verified by, as far as a person has to know where one does not verify.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    /// There are CA certificates at all.
    pub(crate) has_roots: bool,
    /// Somebody wants none to be needed.
    pub(crate) asked_not_to_verify: bool,
}

/// What a failure of reqwest means before the whole answer was received. `host` is where the request went.
pub(crate) fn of_reqwest(error: &reqwest::Error, host: &str, trust: Trust) -> SendError {
    // Only what failed inside the connector is known to be unsent; everything else may have reached the server.
    if error.is_connect() {
        let (kind, why) = connect_failure(error, host, trust);
        return SendError::Unsent { why, kind };
    }
    if error.is_builder() {
        let why = format!("the request to {host} could not be built; check the URL of the token endpoint");
        return SendError::Unsent { why, kind: UnsentKind::NotAllowed };
    }
    if let Some(rustls::Error::AlertReceived(alert)) = find_tls(error)
        && is_about_our_certificate(*alert)
    {
        // TLS 1.3 lets the client send before the server has looked at its certificate; one that it refuses has not read what was sent.
        let why = format!(
            "{host} wants to be shown a client certificate that it trusts ({alert:?}); Claude Code shows the one that \
             CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY name, and so does mcp-refreshd"
        );
        return SendError::Unsent { why, kind: UnsentKind::Tls };
    }
    if error.is_timeout() {
        return SendError::TimedOut { why: format!("{host} did not answer in time") };
    }
    SendError::Lost {
        why: format!(
            "the connection to {host} was lost before the whole answer was there ({})",
            innermost(error)
        ),
    }
}

/// Alerts by which a server ends a handshake because of the client's certificate, or for want of one (RFC 8446, section 6.2).
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
                    "mcp-refreshd refuses this on purpose, also where Claude Code connects; the server needs another certificate"
                } else if trust.asked_not_to_verify {
                    "mcp-refreshd verifies it on purpose, in spite of NODE_TLS_REJECT_UNAUTHORIZED=0: whoever stands in between could read \
                     every token; name the CA's PEM file, or a self-signed certificate itself, in `extra_ca` or NODE_EXTRA_CA_CERTS"
                } else if trust.has_roots {
                    "if the host is your own or stands behind a proxy that opens TLS, name its CA's PEM file in `extra_ca`"
                } else {
                    "this machine has no CA certificates; install the ca-certificates package or name a PEM file in `extra_ca`"
                };
                (
                    UnsentKind::Certificate,
                    format!(
                        "the certificate of {host} does not verify ({}); {cure}",
                        on_purpose(reason).map_or_else(|| harmless(&reason.to_string()), str::to_owned)
                    ),
                )
            }
            other => (UnsentKind::Tls, format!("no TLS with {host}: {}", harmless(&other.to_string()))),
        };
    }
    let reason = innermost(error);
    // The library keeps the type to itself.
    if reason.contains("proxy authorization required") {
        let why = format!(
            "the proxy on the way to {host} asks for a password (HTTP 407); write name and password into its URL: http://NAME:PASSWORD@host:port"
        );
        return (UnsentKind::Other, why);
    }
    if error.is_timeout() {
        return (UnsentKind::ConnectTimeout, format!("no connection to {host} within the time allowed"));
    }
    if error.is_dns() {
        return (UnsentKind::Dns, format!("the name {host} could not be looked up ({})", innermost(error)));
    }
    let unreachable = sources(error).filter_map(|source| source.downcast_ref::<io::Error>()).any(|source| {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
        matches!(source.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown)
    });
    let kind = if unreachable { UnsentKind::Unreachable } else { UnsentKind::Other };
    (kind, format!("no connection to {host} ({})", innermost(error)))
}

/// What is refused although Claude Code accepts it (measured with 2.1.332), in words.
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
                "it is signed with SHA-1, which can be forged"
            } else {
                "it is signed in a way that is out of use or not known here"
            })
        }
        CertificateError::NotValidForNameContext { presented, .. }
            if !presented.iter().any(|name| names_a_host(name)) =>
        {
            Some("it names no host as subjectAltName, and a name in CN alone does not count")
        }
        CertificateError::Other(other) if other.0.is::<WeakKey>() => {
            Some("an RSA key of fewer than 2048 bits is in its chain, which can be broken")
        }
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::UnsupportedCertVersion) => {
                Some("it is of version 1: it has no subjectAltName, and a name in CN alone does not count")
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether this name in a certificate, as webpki writes it, is a host's; there are those of people (`rfc822Name`), too.
fn names_a_host(name: &str) -> bool {
    ["DnsName(", "IpAddress("].iter().any(|kind| name.starts_with(kind))
}

fn sources<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

/// The TLS error below an error: `io::Error` skips what it wraps in its own `source`, so it has to be opened.
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

/// The innermost reason: the outer ones repeat the URL and say less.
fn innermost(error: &reqwest::Error) -> String {
    let reason = sources(error).last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    harmless(&reason)
}
