use crate::{RequestShape, SendError, UnsentKind, origin};
use oauth_secret::{ClientSecret, RefreshToken};
use oauth2::{AuthType, ClientId, HttpRequest, HttpResponse, Scope, TokenUrl, basic::BasicClient};
use std::cell::RefCell;
use std::fmt;
use url::Url;

/// One refresh to be asked for (RFC 6749, section 6).
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// Where it goes: [`Metadata::token_endpoint`](crate::Metadata::token_endpoint).
    pub token_endpoint: Url,
    /// The token to present.
    pub refresh_token: RefreshToken,
    /// The client the grant was given to.
    pub client_id: Option<String>,
    /// Its secret, where it has one.
    pub client_secret: Option<ClientSecret>,
    /// How the client says who it is.
    pub auth: ClientAuth,
    /// Which optional parameters are sent.
    pub shape: RequestShape,
    /// The MCP server's URL, sent as `resource` (RFC 8707) where the shape says so.
    pub resource: String,
    /// The entry's scope, sent where the shape says so.
    pub scope: Option<String>,
}

/// How the client says who it is (RFC 6749, section 2.3; the names of RFC 7591, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`: id and secret in the `Authorization` header.
    Basic,
    /// `client_secret_post`: id and secret in the body.
    Post,
    /// `none`: a public client, the id alone in the body.
    None,
}

impl ClientAuth {
    /// The method for a server that offers `auth_methods` (`token_endpoint_auth_methods_supported`) and a client that
    /// has a secret or has none. No methods named means basic (RFC 8414, section 2); the order of preference is Claude Code's.
    #[must_use]
    pub fn choose(auth_methods: &[String], has_secret: bool) -> Self {
        let offers = |name: &str| auth_methods.iter().any(|method| method == name);
        if !has_secret {
            Self::None
        } else if auth_methods.is_empty() || offers("client_secret_basic") {
            Self::Basic
        } else if offers("client_secret_post") {
            Self::Post
        } else if offers("none") {
            Self::None
        } else {
            // Only methods we cannot do: the secret in the body is what most servers take all the same.
            Self::Post
        }
    }
}

impl RefreshRequest {
    /// The request as it goes on the wire, built by the `oauth2` crate.
    pub(crate) fn to_http(&self) -> Result<HttpRequest, SendError> {
        let server_is_loopback = Url::parse(&self.resource).is_ok_and(|url| origin::is_loopback(&url));
        origin::allowed(&self.token_endpoint, server_is_loopback).map_err(not_allowed)?;

        let mut client = BasicClient::new(ClientId::new(self.client_id.clone().unwrap_or_default()))
            .set_token_uri(TokenUrl::from_url(self.token_endpoint.clone()))
            .set_auth_type(match self.auth {
                ClientAuth::Basic => AuthType::BasicAuth,
                ClientAuth::Post | ClientAuth::None => AuthType::RequestBody,
            });
        if let (ClientAuth::Basic | ClientAuth::Post, Some(secret)) = (self.auth, &self.client_secret) {
            client = client.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()));
        }
        let refresh_token = oauth2::RefreshToken::new(self.refresh_token.expose().to_owned());
        let mut exchange = client.exchange_refresh_token(&refresh_token);
        if self.shape.resource && !self.resource.is_empty() {
            exchange = exchange.add_extra_param("resource", self.resource.as_str());
        }
        if let (true, Some(scope)) = (self.shape.scope, &self.scope) {
            exchange =
                exchange.add_scopes(scope.split_whitespace().map(|scope| Scope::new(scope.to_owned())));
        }

        // The crate builds and parses around one call; taking the request out of that call keeps the sending ours.
        let captured = RefCell::new(None);
        let capture = |request: HttpRequest| -> Result<HttpResponse, Captured> {
            captured.replace(Some(request));
            Err(Captured)
        };
        // The result can only be our own `Captured` or a request that could not be built, told apart below.
        drop(exchange.request(&capture));
        let mut request = captured.into_inner().ok_or_else(|| {
            not_allowed("the URL of the token endpoint cannot be put into a request".to_owned())
        })?;
        if self.client_id.is_none() {
            // The crate knows no request without a client.
            let body = request.body_mut();
            *body = without_empty_client_id(body);
        }
        Ok(request)
    }
}

fn without_empty_client_id(body: &[u8]) -> Vec<u8> {
    let pairs =
        url::form_urlencoded::parse(body).filter(|(name, value)| !(name == "client_id" && value.is_empty()));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

fn not_allowed(why: String) -> SendError {
    SendError::Unsent { why: format!("nothing was sent: {why}"), kind: UnsentKind::NotAllowed }
}

/// The request was taken instead of being sent.
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
