use crate::cleaned::harmless;
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
    /// The connection was lost after the request may have been written, or the answer was cut or too big to be one.
    #[error("{why}")]
    Lost {
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

/// What a failure of reqwest means before the whole answer was received. `host` is where the request went.
pub(crate) fn of_reqwest(error: &reqwest::Error, host: &str, has_roots: bool) -> SendError {
    // Only what failed inside the connector is known to be unsent; everything else may have reached the server.
    if error.is_connect() {
        let (kind, why) = connect_failure(error, host, has_roots);
        return SendError::Unsent { why, kind };
    }
    if error.is_builder() {
        let why = format!("the request to {host} could not be built; check the URL of the token endpoint");
        return SendError::Unsent { why, kind: UnsentKind::NotAllowed };
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

fn connect_failure(error: &reqwest::Error, host: &str, has_roots: bool) -> (UnsentKind, String) {
    if let Some(tls) = find_tls(error) {
        return match tls {
            rustls::Error::InvalidCertificate(reason) => {
                let cure = if has_roots {
                    "if the host is your own or stands behind a proxy that opens TLS, name its CA's PEM file in `extra_ca`"
                } else {
                    "this machine has no CA certificates; install the ca-certificates package or name a PEM file in `extra_ca`"
                };
                (
                    UnsentKind::Certificate,
                    format!(
                        "the certificate of {host} does not verify ({}); {cure}",
                        harmless(&reason.to_string())
                    ),
                )
            }
            other => (UnsentKind::Tls, format!("no TLS with {host}: {}", harmless(&other.to_string()))),
        };
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
