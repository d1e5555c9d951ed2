use crate::document::Document;
use crate::origin::{self, shown, shown_text};
use crate::well_known::same_issuer;
use serde::{Deserialize, Serialize};
use url::Url;

/// The longest URL that is kept from metadata, in bytes: what is found is cached.
const LONGEST_URL: usize = 2048;

/// What the metadata of an authorization server says about refreshing (RFC 8414, section 2), kept between refreshes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The issuer the metadata is of; `None` where a server publishes no metadata and the entry names no issuer.
    pub issuer: Option<String>,
    /// Where refresh tokens are presented.
    pub token_endpoint: Url,
    /// `token_endpoint_auth_methods_supported`; empty where it is not said.
    pub auth_methods: Vec<String>,
    /// The `resource` of the protected-resource metadata (RFC 9728, section 2), where it speaks for the MCP server: what the client sent at the
    /// login, as the text of a URL. `None` where there is no such metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Where this was learnt: the URL of the metadata, or a sentence on the convention that was used instead.
    pub source: String,
}

/// What the login of this server sent as `resource` (RFC 8707), and what a refresh sends therefore: the `resource` of the protected-resource
/// metadata, else the server's URL. Both in the form that the client's URL type gives them: a bare host ends in a slash, and nothing
/// stands behind a `#` (measured, 2.1.332).
#[must_use]
pub fn resource_of(metadata: &Metadata, server_url: &str) -> String {
    let servers_own = || serialised(server_url).unwrap_or_else(|| server_url.to_owned());
    metadata.resource.clone().unwrap_or_else(servers_own)
}

/// A URL as the client writes it.
fn serialised(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    Some(url.into())
}

/// The `resource` that metadata found for this server names, if the client would send it: of the same origin, with a path that the server's
/// begins with (as its `checkResourceAllowed` decides).
pub(crate) fn resource_for(server: &Url, named: &str) -> Option<String> {
    let resource = Url::parse(named).ok()?;
    let slashed = |url: &Url| format!("{}/", url.path().trim_end_matches('/'));
    let fits = resource.origin() == server.origin() && slashed(server).starts_with(&slashed(&resource));
    (fits && named.len() <= LONGEST_URL).then(|| serialised(named)).flatten()
}

/// What metadata has to fit to be believed.
pub(crate) struct Expectation<'a> {
    /// The issuer that was asked, where the place follows from one.
    pub(crate) asked: Option<&'a str>,
    /// The issuer the entry names.
    pub(crate) entry_issuer: Option<&'a str>,
    /// The store holds the pair of the issuer asked and the entry's issuer, written together by the client at the login.
    pub(crate) from_store: bool,
    /// Whether the MCP server is on this machine.
    pub(crate) server_is_loopback: bool,
}

impl Expectation<'_> {
    /// Whether metadata may name this issuer (RFC 8414, section 3.3).
    fn fits(&self, named: Option<&str>) -> bool {
        let is = |expected: Option<&str>, issuer: &str| {
            expected.is_some_and(|expected| same_issuer(expected, issuer))
        };
        let Some(named) = named else {
            // Old servers name no issuer; then the place it was found at has to do, unless the entry knows better.
            return self.entry_issuer.is_none_or(|entrys| is(self.asked, entrys));
        };
        if self.entry_issuer.is_some() && !is(self.entry_issuer, named) {
            return false;
        }
        // From here on the entry names this issuer or none. Where the store sends us to another place for it, that place may speak for it, as it did
        // at the login; a place only the server named may not.
        // An entry of an old client names none at all: then the place where its login was is all there is to go by, as for that client.
        self.asked.is_none()
            || is(self.asked, named)
            || self.from_store && (self.entry_issuer.is_none() || is(self.entry_issuer, named))
    }

    /// What was expected, in words.
    fn in_words(&self) -> String {
        match (self.entry_issuer, self.asked) {
            (Some(entrys), _) => format!("this login is from {} (the entry's `issuer`)", shown_text(entrys)),
            (None, Some(asked)) => format!("{} was asked (RFC 8414, section 3.3)", shown_text(asked)),
            (None, None) => "another one was expected".to_owned(),
        }
    }
}

/// The metadata in the document found at `url`; the error says why it cannot be believed or used.
pub(crate) fn believe(url: &Url, found: Document, expectation: &Expectation<'_>) -> Result<Metadata, String> {
    let place = shown(url);
    if !expectation.fits(found.issuer.as_deref()) {
        let named = found.issuer.as_deref().map_or_else(|| "nobody".to_owned(), shown_text);
        let expected = expectation.in_words();
        return Err(format!(
            "{place} names the issuer {named}, but {expected}; such metadata is not believed, on purpose, also where Claude Code goes on: it could lead the token elsewhere; if the server has moved, log in to it again"
        ));
    }
    let endpoint = found.token_endpoint.ok_or_else(|| format!("{place} names no token_endpoint"))?;
    if endpoint.len().max(found.issuer.as_deref().unwrap_or_default().len()) > LONGEST_URL {
        return Err(format!("{place} holds a URL of more than {LONGEST_URL} bytes"));
    }
    let mut token_endpoint = Url::parse(&endpoint)
        .map_err(|error| format!("the token endpoint named by {place} is not a URL: {error}"))?;
    origin::allowed(&token_endpoint, expectation.server_is_loopback)
        .map_err(|why| format!("the token endpoint named by {place}: {why}"))?;
    token_endpoint.set_fragment(None);
    Ok(Metadata {
        issuer: found.issuer.or_else(|| expectation.entry_issuer.map(ToOwned::to_owned)),
        token_endpoint,
        auth_methods: known_methods(found.token_endpoint_auth_methods_supported),
        resource: None,
        source: url.to_string(),
    })
}

/// The methods offered, without what cannot be the name of one.
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
