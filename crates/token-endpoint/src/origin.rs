use crate::cleaned::harmless;
use url::{Host, Url};

/// Scheme, host and port of a URL as one text: what is pinned per grant, so that a refresh token never follows a token
/// endpoint to another host without a person (RFC 6454, section 6.2).
#[must_use]
pub fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether a URL stays on this machine: `localhost` and below (RFC 6761, section 6.3), 127.0.0.0/8, ::1.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a URL is one that may be asked: https anywhere, http to this machine only and only where the MCP server is on
/// this machine too; never with credentials in it. The error says why not and names no more of the URL than its origin.
pub(crate) fn allowed(url: &Url, server_is_loopback: bool) -> Result<(), String> {
    let origin = harmless(&origin_of(url));
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("the URL at {origin} holds credentials; take them out of it"));
    }
    if url.host().is_none() {
        return Err("the URL names no host".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) && server_is_loopback => Ok(()),
        "http" if is_loopback(url) => {
            Err(format!("{origin} is on this machine but the MCP server is not; tokens are not sent there"))
        }
        "http" => Err(format!("{origin} is plain http to another host; tokens are sent over https only")),
        other => Err(format!("a {} URL cannot be a token endpoint; https is needed", harmless(other))),
    }
}

/// Host (and port, where it is not the scheme's own) of a URL, for messages.
pub(crate) fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "a URL without a host".to_owned(),
    }
}

/// A URL for messages: without its query.
pub(crate) fn shown(url: &Url) -> String {
    harmless(&format!("{}{}", origin_of(url), url.path()))
}

/// A URL in a text of somebody else, for messages: its origin and path if it is a URL, else the text made harmless.
pub(crate) fn shown_text(text: &str) -> String {
    Url::parse(text).ok().filter(Url::has_host).map_or_else(|| harmless(text), |url| shown(&url))
}
