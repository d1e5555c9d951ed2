use crate::{Answer, RequestShape, SendError, UnsentKind, origin};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, header};
use oauth_secret::{ClientSecret, RefreshToken};
use oauth2::{AuthType, ClientId, HttpRequest, HttpResponse, Scope, TokenUrl, basic::BasicClient};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// A refresh request (RFC 6749, section 6).
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// Its destination: [`Metadata::token_endpoint`](crate::Metadata::token_endpoint).
    pub token_endpoint: Url,
    /// The token to present.
    pub refresh_token: RefreshToken,
    /// The client that holds the grant.
    pub client_id: Option<String>,
    /// Its secret, if it has one.
    pub client_secret: Option<ClientSecret>,
    /// How the client authenticates.
    pub auth: ClientAuth,
    /// Which optional parameters are sent.
    pub shape: RequestShape,
    /// The `resource` (RFC 8707) sent at login, sent if the shape says so: see [`resource_of`](crate::resource_of).
    pub resource: String,
    /// The entry's scope, sent if the shape says so.
    pub scope: Option<String>,
}

/// How the client authenticates (RFC 6749, section 2.3; names from RFC 7591, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_secret_basic`: id and secret only in the `Authorization` header, form-encoded (RFC 6749, section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_secret_basic` with the id in the body as well. mcp 2.3.0 of PyPI requires it; workers-oauth-provider 1.2.3 rejects it as a
    /// second authentication method.
    #[serde(rename = "client_secret_basic_and_id")]
    BasicAndId,
    /// `client_secret_basic` without form-encoding, for servers that compare the header verbatim.
    #[serde(rename = "client_secret_basic_plain")]
    BasicPlain,
    /// `client_secret_post`: id and secret in the body.
    #[serde(rename = "client_secret_post")]
    Post,
    /// `none`: a public client, only the id in the body.
    None,
}

impl ClientAuth {
    /// The methods to try, best first, for a server that offers `auth_methods` (`token_endpoint_auth_methods_supported`).
    ///
    /// Claude Code uses Basic if the metadata offers it or nothing, with id and secret verbatim (measured, 2.1.332), so it comes first here,
    /// too. Five of eleven servers reject a client registered with `client_secret_post` that authenticates with Basic, although their
    /// metadata offers both (measured: fastmcp 4.2.3, mcp 2.3.0, workers-oauth-provider 1.2.3, @better-auth/mcp 1.7.5, Authlib 1.9.10):
    /// the body comes next. [`BasicAndId`](Self::BasicAndId) is for servers that ask for it: see [`asks_for_client_id`].
    #[must_use]
    pub fn to_try(
        auth_methods: &[String],
        client_id: Option<&str>,
        secret: Option<&ClientSecret>,
    ) -> Vec<Self> {
        let Some(secret) = secret else { return vec![Self::None] };
        let offers = |name: &str| auth_methods.iter().any(|method| method == name);
        let mut methods = if offers("client_secret_basic") || !offers("client_secret_post") {
            vec![Self::Basic, Self::Post]
        } else {
            vec![Self::Post, Self::Basic]
        };
        let encoded_otherwise = |text: &str| form_encoded(text) != text;
        if encoded_otherwise(secret.expose()) || client_id.is_some_and(encoded_otherwise) {
            let basic = methods.iter().position(|method| *method == Self::Basic).unwrap_or_default();
            methods.insert(basic, Self::BasicPlain);
        }
        // A server for public clients only would reject any secret.
        let known = ["client_secret_post", "client_secret_basic"];
        if offers("none") && !known.into_iter().any(offers) {
            methods.insert(0, Self::None);
        }
        methods
    }
}

/// Whether a server that got id and secret in the header misses the id in the body. It has not processed the token in that case.
#[must_use]
pub fn asks_for_client_id(answer: &Answer) -> bool {
    let (Answer::ClientDead { detail, .. } | Answer::Refused { detail, .. }) = answer else { return false };
    let text = detail.to_lowercase().replace("client id", "client_id");
    text.contains("client_id")
        && ["missing", "required", "not provided"].iter().any(|word| text.contains(word))
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl RefreshRequest {
    /// The request for the wire, built by the `oauth2` crate.
    pub(crate) fn to_http(&self) -> Result<HttpRequest, SendError> {
        let server_is_loopback = Url::parse(&self.resource).is_ok_and(|url| origin::is_loopback(&url));
        origin::allowed(&self.token_endpoint, server_is_loopback).map_err(not_allowed)?;

        let mut client = BasicClient::new(ClientId::new(self.client_id.clone().unwrap_or_default()))
            .set_token_uri(TokenUrl::from_url(self.token_endpoint.clone()))
            .set_auth_type(match self.auth {
                ClientAuth::Basic | ClientAuth::BasicAndId => AuthType::BasicAuth,
                ClientAuth::BasicPlain | ClientAuth::Post | ClientAuth::None => AuthType::RequestBody,
            });
        if let (ClientAuth::Basic | ClientAuth::BasicAndId | ClientAuth::Post, Some(secret)) =
            (self.auth, &self.client_secret)
        {
            client = client.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()));
        }
        let client_id = self.client_id.as_deref().filter(|id| !id.is_empty());
        let refresh_token = oauth2::RefreshToken::new(self.refresh_token.expose().to_owned());
        let mut exchange = client.exchange_refresh_token(&refresh_token);
        if let (ClientAuth::BasicAndId, Some(_), Some(id)) = (self.auth, &self.client_secret, client_id) {
            exchange = exchange.add_extra_param("client_id", id);
        }
        if self.shape.resource && !self.resource.is_empty() {
            exchange = exchange.add_extra_param("resource", self.resource.as_str());
        }
        if let (true, Some(scope)) = (self.shape.scope, &self.scope) {
            exchange =
                exchange.add_scopes(scope.split_whitespace().map(|scope| Scope::new(scope.to_owned())));
        }

        // The crate builds and parses around one call. Capturing the request in that call leaves the sending to us.
        let captured = RefCell::new(None);
        let capture = |request: HttpRequest| -> Result<HttpResponse, Captured> {
            captured.replace(Some(request));
            Err(Captured)
        };
        // The result is either our own `Captured` or a failure to build the request.
        drop(exchange.request(&capture));
        let mut request = captured.into_inner().ok_or_else(|| {
            not_allowed("the URL of the token endpoint is not valid in a request".to_owned())
        })?;
        // A compressed response that is cut off, or in an unknown encoding, would cost the rotated token.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let (ClientAuth::BasicPlain, Some(secret)) = (self.auth, &self.client_secret) {
            let basic = basic_header(client_id.unwrap_or_default(), secret.expose())?;
            request.headers_mut().insert(header::AUTHORIZATION, basic);
        }
        if client_id.is_none() || self.auth == ClientAuth::BasicPlain && self.client_secret.is_some() {
            // The crate always adds a client to a request.
            let body = request.body_mut();
            *body = without_client_id(body);
        }
        Ok(request)
    }
}

fn without_client_id(body: &[u8]) -> Vec<u8> {
    let pairs = url::form_urlencoded::parse(body).filter(|(name, _)| name != "client_id");
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

/// The header of HTTP Basic authentication with this id and secret.
pub(crate) fn basic_header(client_id: &str, secret: &str) -> Result<HeaderValue, SendError> {
    let credentials = Zeroizing::new(format!("{client_id}:{secret}"));
    let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(credentials.as_bytes())));
    let mut basic = HeaderValue::try_from(basic.as_str())
        .map_err(|_| not_allowed("the client secret is not valid in a header".to_owned()))?;
    basic.set_sensitive(true);
    Ok(basic)
}

pub(crate) fn not_allowed(why: String) -> SendError {
    SendError::Unsent { why: format!("nothing was sent: {why}"), kind: UnsentKind::NotAllowed }
}

/// The request was captured instead of sent.
#[derive(Debug)]
struct Captured;

impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("captured")
    }
}

impl std::error::Error for Captured {}

#[cfg(test)]
mod tests;
