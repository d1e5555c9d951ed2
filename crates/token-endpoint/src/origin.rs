use crate::cleaned::harmless;
use url::{Host, Url};

/// A URL's scheme, host and port as text (RFC 6454, section 6.2). It is pinned per grant, so that a refresh token never follows a
/// token endpoint to another host without the user's consent.
#[must_use]
pub fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether a URL is local: `localhost` and its subdomains (RFC 6761, section 6.3), 127.0.0.0/8, ::1.
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

/// Whether a URL may be requested: https anywhere; http only to this machine, and only if the MCP server is on it too; never with
/// credentials. The error says why not and shows only the URL's origin.
pub(crate) fn allowed(url: &Url, server_is_loopback: bool) -> Result<(), String> {
    let origin = harmless(&origin_of(url));
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("the URL at {origin} contains credentials; remove them"));
    }
    if url.host().is_none() {
        return Err("the URL has no host".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) && server_is_loopback => Ok(()),
        "http" if is_loopback(url) => {
            Err(format!("{origin} is on this machine but the MCP server is not; tokens are not sent there"))
        }
        "http" => Err(format!("{origin} is plain http to another host; tokens are sent over https only")),
        other => Err(format!("a {} URL cannot be a token endpoint; https is required", harmless(other))),
    }
}

/// A URL's host (and port, unless it is the scheme's default), for messages.
pub(crate) fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "a URL without a host".to_owned(),
    }
}

/// A URL without its query, for messages.
pub(crate) fn shown(url: &Url) -> String {
    harmless(&format!("{}{}", origin_of(url), url.path()))
}

/// A URL from an untrusted text, for messages: its origin and path if it is a URL, else the sanitized text.
pub(crate) fn shown_text(text: &str) -> String {
    Url::parse(text).ok().filter(Url::has_host).map_or_else(|| harmless(text), |url| shown(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_named_in_another_script_is_looked_up_in_its_ascii_form() {
        for (url, host) in [
            ("https://bücher.example/", "xn--bcher-kva.example"),
            // Decomposed, and in capitals.
            ("https://BU\u{308}CHER.example/", "xn--bcher-kva.example"),
            ("https://faß.example/", "xn--fa-hia.example"),
            ("https://例え。テスト/", "xn--r8jz45g.xn--zckzah"),
            ("https://مثال.إختبار/", "xn--mgbh0fb.xn--kgbechtv"),
            ("https://נישואין.example/", "xn--4dbjlc4ab8d.example"),
            ("https://ａｕｔｈ．example/", "auth.example"),
        ] {
            assert_eq!(Url::parse(url).unwrap().host_str(), Some(host), "{url}");
        }
        for wrong in ["https://a\u{202e}b.example/", "https://אa1.example/", "https://xn--a.example/"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
