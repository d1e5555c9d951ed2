use crate::document::Document;
use crate::{
    Challenge, DiscoveryError, Http, Metadata, ServerHints, body, discover, origin, resource_of, well_known,
};
use url::Url;

/// The only method that is used (RFC 7636, section 4.2).
const S256: &str = "S256";
/// The scope that asks for a refresh token (OpenID Connect Core 1.0, section 11).
const OFFLINE_ACCESS: &str = "offline_access";
/// Size limit for a scope in bytes: it becomes part of a URL.
const LONGEST_SCOPE: usize = 4096;

/// An authorization server as far as it concerns a login (RFC 8414, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// What a refresh needs of it.
    pub metadata: Metadata,
    /// Where the user is sent.
    pub authorization_endpoint: Url,
    /// Where a client can register by itself (RFC 7591), if anywhere.
    pub registration_endpoint: Option<Url>,
    /// Whether each of its authorization responses contains `iss` (RFC 9207, section 3).
    pub states_issuer: bool,
    /// The scope to request; `None` leaves the choice to the server.
    pub scope: Option<String>,
    /// The `resource` (RFC 8707, section 2).
    pub resource: String,
    /// Whether the MCP server is on this machine.
    pub(crate) server_is_loopback: bool,
}

impl AuthorizationServer {
    /// Finds the authorization server by the rules of [`discover`], with all of its checks.
    ///
    /// Without any metadata, the endpoints are `/authorize`, `/token` and `/register` at its origin (MCP 2025-03-26, "Fallbacks for Servers
    /// without Metadata Discovery").
    ///
    /// # Errors
    /// Like [`discover`]; also if the server supports no S256 (RFC 7636) or no authorization endpoint that may be used.
    pub async fn find(
        http: &Http,
        hints: &ServerHints,
        challenge: &Challenge,
    ) -> Result<Self, DiscoveryError> {
        let metadata = discover(http, hints).await?;
        let server_is_loopback = Url::parse(&hints.server_url).is_ok_and(|url| origin::is_loopback(&url));
        // By convention, the source is a sentence.
        let published = match Url::parse(&metadata.source).ok().filter(Url::has_host) {
            Some(source) => Some(read(http, &source, &metadata).await?),
            None => None,
        };
        let wanted = match &challenge.scope {
            Some(scope) => Some(scope.clone()),
            None => resource_scope(http, hints).await,
        };
        Self::of(metadata, published.as_ref(), wanted.as_deref(), &hints.server_url, server_is_loopback)
            .map_err(|why| DiscoveryError::NeedsPerson { why })
    }

    fn of(
        metadata: Metadata,
        published: Option<&Document>,
        wanted: Option<&str>,
        server_url: &str,
        server_is_loopback: bool,
    ) -> Result<Self, String> {
        let endpoint = |name: &str, text: &str| {
            let mut url = Url::parse(text)
                .map_err(|error| format!("the {name} of {} is not a valid URL: {error}", metadata.source))?;
            origin::allowed(&url, server_is_loopback)
                .map_err(|why| format!("the {name} of {}: {why}", metadata.source))?;
            url.set_fragment(None);
            Ok::<_, String>(url)
        };
        let resource = resource_of(&metadata, server_url);
        let Some(published) = published else {
            return Ok(Self {
                authorization_endpoint: well_known::at(&metadata.token_endpoint, "/authorize"),
                registration_endpoint: Some(well_known::at(&metadata.token_endpoint, "/register")),
                states_issuer: false,
                scope: scope(wanted, &[]),
                resource,
                server_is_loopback,
                metadata,
            });
        };
        // Servers that support it do not always say so; one that says what it supports means it.
        if let Some(methods) = &published.code_challenge_methods_supported
            && !methods.iter().any(|method| method == S256)
        {
            return Err(format!(
                "{} supports no PKCE with S256, without which a code can be stolen",
                metadata.source
            ));
        }
        let authorization = published
            .authorization_endpoint
            .as_deref()
            .ok_or_else(|| format!("{} has no authorization_endpoint", metadata.source))?;
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint", authorization)?,
            registration_endpoint: published
                .registration_endpoint
                .as_deref()
                .map(|text| endpoint("registration_endpoint", text))
                .transpose()?,
            states_issuer: published.authorization_response_iss_parameter_supported == Some(true),
            scope: scope(wanted, published.scopes_supported.as_deref().unwrap_or_default()),
            resource,
            server_is_loopback,
            metadata,
        })
    }
}

/// The metadata once more, with what only a login needs. It must still be the document that [`discover`] accepted.
async fn read(http: &Http, source: &Url, accepted: &Metadata) -> Result<Document, DiscoveryError> {
    let transient = |why: String| DiscoveryError::Transient { why, retry_after: None };
    let answer = http.get(source).await.map_err(|error| transient(error.to_string()))?;
    let changed = || transient(format!("{} changed while it was read; try again", origin::shown(source)));
    let document: Document = serde_json::from_str(&body::text(&answer)).map_err(|_| changed())?;
    let same_endpoint =
        document.token_endpoint.as_deref().and_then(|text| Url::parse(text).ok()).is_some_and(|mut url| {
            url.set_fragment(None);
            url == accepted.token_endpoint
        });
    let same_issuer = document.issuer.is_none() || document.issuer == accepted.issuer;
    if same_endpoint && same_issuer { Ok(document) } else { Err(changed()) }
}

/// The scopes in the server's protected-resource metadata. Without it, the server chooses.
async fn resource_scope(http: &Http, hints: &ServerHints) -> Option<String> {
    let server = Url::parse(&hints.server_url).ok()?;
    let loopback = origin::is_loopback(&server);
    let named = hints.resource_metadata_url.as_deref().and_then(|url| Url::parse(url).ok());
    for url in named.into_iter().chain(well_known::of_resource(&server)) {
        if origin::allowed(&url, loopback).is_err() {
            continue;
        }
        let Ok(answer) = http.get(&url).await else { continue };
        let Ok(found) = serde_json::from_str::<Document>(&body::text(&answer)) else { continue };
        let of_another = found.resource.as_deref().is_some_and(|resource| {
            Url::parse(resource).is_ok_and(|other| other.origin() != server.origin())
        });
        if answer.status == 200
            && !of_another
            && (found.resource.is_some() || found.authorization_servers.is_some())
        {
            return found.scopes_supported.map(|scopes| scopes.join(" "));
        }
    }
    None
}

/// The scope to request (MCP 2025-11-25, "Scope Selection Strategy"): the challenge's, else all of the resource's, else none. A server that
/// supports `offline_access` issues a refresh token only if that is requested, too.
fn scope(wanted: Option<&str>, offered: &[String]) -> Option<String> {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in wanted?.split_whitespace() {
        // RFC 6749, section 3.3: anything else is no scope.
        if scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
            && !scopes.contains(&scope)
        {
            scopes.push(scope);
        }
    }
    if !scopes.is_empty()
        && offered.iter().any(|scope| scope == OFFLINE_ACCESS)
        && !scopes.contains(&OFFLINE_ACCESS)
    {
        scopes.push(OFFLINE_ACCESS);
    }
    let scope = scopes.join(" ");
    (!scope.is_empty() && scope.len() <= LONGEST_SCOPE).then_some(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata {
            issuer: Some("https://a.example".to_owned()),
            token_endpoint: Url::parse("https://a.example/token").unwrap(),
            auth_methods: Vec::new(),
            resource: None,
            source: "https://a.example/.well-known/oauth-authorization-server".to_owned(),
        }
    }

    fn of(published: Option<&str>) -> Result<AuthorizationServer, String> {
        let document = published.map(|text| serde_json::from_str::<Document>(text).unwrap());
        AuthorizationServer::of(metadata(), document.as_ref(), Some("read"), "https://m.example/mcp", false)
    }

    #[test]
    fn offline_access_is_added_where_it_is_supported_and_a_scope_is_requested() {
        let offered = ["read".to_owned(), OFFLINE_ACCESS.to_owned()];
        assert_eq!(scope(Some("read  read write"), &offered).as_deref(), Some("read write offline_access"));
        assert_eq!(scope(Some("read"), &[]).as_deref(), Some("read"));
        assert_eq!(scope(Some("offline_access"), &offered).as_deref(), Some("offline_access"));
        assert_eq!(scope(None, &offered), None);
        assert_eq!(scope(Some(" \"x\" "), &offered), None);
    }

    #[test]
    fn without_metadata_the_endpoints_are_those_of_the_convention() {
        let server = of(None).unwrap();
        assert_eq!(server.authorization_endpoint.as_str(), "https://a.example/authorize");
        assert_eq!(server.registration_endpoint.unwrap().as_str(), "https://a.example/register");
        assert_eq!(server.resource, "https://m.example/mcp");
    }

    #[test]
    fn a_server_without_s256_or_with_an_endpoint_over_plain_http_is_refused() {
        for (published, why) in [
            (
                r#"{"authorization_endpoint":"https://a.example/a","code_challenge_methods_supported":["plain"]}"#,
                "S256",
            ),
            (r#"{"authorization_endpoint":"http://a.example/a"}"#, "plain http"),
            (r#"{"authorization_endpoint":"http://127.0.0.1/a"}"#, "on this machine"),
            (
                r#"{"authorization_endpoint":"https://a.example/a","registration_endpoint":"http://a.example/r"}"#,
                "plain http",
            ),
            ("{}", "no authorization_endpoint"),
        ] {
            let error = of(Some(published)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
