use crate::document::Document;
use crate::origin::{self, shown, shown_text};
use crate::well_known::same_issuer;
use serde::{Deserialize, Serialize};
use url::Url;

/// Size limit for a URL from metadata, in bytes, because it is cached.
const LONGEST_URL: usize = 2048;

/// An authorization server's metadata, as far as it concerns refreshing (RFC 8414, section 2), cached between refreshes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The metadata's issuer; `None` if the server publishes no metadata and the entry has no issuer.
    pub issuer: Option<String>,
    /// Where refresh tokens are presented.
    pub token_endpoint: Url,
    /// `token_endpoint_auth_methods_supported`; empty if not stated.
    pub auth_methods: Vec<String>,
    /// The `resource` of the protected-resource metadata (RFC 9728, section 2) if it covers the MCP server: what the client sent at login,
    /// as the text of a URL. `None` without such metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The source: the metadata's URL, or a sentence about the convention used instead.
    pub source: String,
}

/// The `resource` that this server's login sent (RFC 8707) and that a refresh sends therefore: the one in the protected-resource
/// metadata, else the server's URL. Both are in the normal form of the client's URL type: a bare host ends with a slash, and fragments
/// are dropped (measured, 2.1.332).
#[must_use]
pub fn resource_of(metadata: &Metadata, server_url: &str) -> String {
    let servers_own = || serialised(server_url).unwrap_or_else(|| server_url.to_owned());
    metadata.resource.clone().unwrap_or_else(servers_own)
}

/// Formats a URL like the client.
fn serialised(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    Some(url.into())
}

/// The `resource` in the metadata found for this server, if the client would send it: of the same origin, with a path that is a
/// prefix of the server's (as its `checkResourceAllowed` decides).
pub(crate) fn resource_for(server: &Url, named: &str) -> Option<String> {
    let resource = Url::parse(named).ok()?;
    let slashed = |url: &Url| format!("{}/", url.path().trim_end_matches('/'));
    let fits = resource.origin() == server.origin() && slashed(server).starts_with(&slashed(&resource));
    (fits && named.len() <= LONGEST_URL).then(|| serialised(named)).flatten()
}

/// What metadata must match to be trusted.
pub(crate) struct Expectation<'a> {
    /// The requested issuer, if the location implies one.
    pub(crate) asked: Option<&'a str>,
    /// The entry's issuer.
    pub(crate) entry_issuer: Option<&'a str>,
    /// The store has both the requested issuer and the entry's issuer, written together by the client at login.
    pub(crate) from_store: bool,
    /// Whether the MCP server is on this machine.
    pub(crate) server_is_loopback: bool,
}

impl Expectation<'_> {
    /// Whether metadata may state this issuer (RFC 8414, section 3.3).
    fn fits(&self, named: Option<&str>) -> bool {
        let is = |expected: Option<&str>, issuer: &str| {
            expected.is_some_and(|expected| same_issuer(expected, issuer))
        };
        let Some(named) = named else {
            // Old servers state no issuer; then the location is sufficient, unless the entry has an issuer.
            return self.entry_issuer.is_none_or(|entrys| is(self.asked, entrys));
        };
        if self.entry_issuer.is_some() && !is(self.entry_issuer, named) {
            return false;
        }
        // From here on the entry has this issuer or none. If the store directs us elsewhere for it, that place may speak for it, as at login; a
        // place named by the server alone may not. An old client's entry has none at all: then, as for that client, the place of its login is
        // all there is to go by.
        self.asked.is_none()
            || is(self.asked, named)
            || self.from_store && (self.entry_issuer.is_none() || is(self.entry_issuer, named))
    }

    /// The expected issuer, for messages.
    fn in_words(&self) -> String {
        match (self.entry_issuer, self.asked) {
            (Some(entrys), _) => format!("this login is from {} (the entry's `issuer`)", shown_text(entrys)),
            (None, Some(asked)) => {
                format!("the request was for {} (RFC 8414, section 3.3)", shown_text(asked))
            }
            (None, None) => "another one was expected".to_owned(),
        }
    }
}

/// Parses the metadata document at `url`; the error says why it cannot be trusted or used.
pub(crate) fn believe(url: &Url, found: Document, expectation: &Expectation<'_>) -> Result<Metadata, String> {
    let place = shown(url);
    if !expectation.fits(found.issuer.as_deref()) {
        let named = found.issuer.as_deref().map_or_else(|| "nobody".to_owned(), shown_text);
        let expected = expectation.in_words();
        return Err(format!(
            "{place} states the issuer {named}, but {expected}; such metadata is rejected on purpose, even where Claude Code accepts it: it could send the token elsewhere; if the server has moved, log in to it again"
        ));
    }
    let endpoint = found.token_endpoint.ok_or_else(|| format!("{place} has no token_endpoint"))?;
    if endpoint.len().max(found.issuer.as_deref().unwrap_or_default().len()) > LONGEST_URL {
        return Err(format!("{place} contains a URL of more than {LONGEST_URL} bytes"));
    }
    let mut token_endpoint = Url::parse(&endpoint)
        .map_err(|error| format!("the token endpoint in {place} is not a valid URL: {error}"))?;
    origin::allowed(&token_endpoint, expectation.server_is_loopback)
        .map_err(|why| format!("the token endpoint in {place}: {why}"))?;
    token_endpoint.set_fragment(None);
    Ok(Metadata {
        issuer: found.issuer.or_else(|| expectation.entry_issuer.map(ToOwned::to_owned)),
        token_endpoint,
        auth_methods: known_methods(found.token_endpoint_auth_methods_supported),
        resource: None,
        source: url.to_string(),
    })
}

/// The offered methods, without anything that cannot be a method's name.
fn known_methods(methods: Option<Vec<String>>) -> Vec<String> {
    methods.unwrap_or_default().into_iter().filter(|method| method.len() <= 64).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_of_another_origin_or_below_another_path_is_not_this_servers() {
        let server = Url::parse("https://m.example/v1/mcp").unwrap();
        for (named, taken) in [
            ("https://m.example", Some("https://m.example/")),
            ("https://m.example/v1", Some("https://m.example/v1")),
            ("https://m.example/v1/mcp/", Some("https://m.example/v1/mcp/")),
            ("https://m.example:443/v1/mcp#x", Some("https://m.example/v1/mcp")),
            ("https://elsewhere.example/v1/mcp", None),
            ("http://m.example/v1/mcp", None),
            ("https://m.example:8443/v1/mcp", None),
            ("https://m.example/v1/mcp/deeper", None),
            ("https://m.example/v1/mc", None),
            ("mcp", None),
        ] {
            assert_eq!(resource_for(&server, named).as_deref(), taken, "{named}");
        }
    }
}
