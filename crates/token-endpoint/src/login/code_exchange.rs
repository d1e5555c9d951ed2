use crate::request::{basic_header, not_allowed};
use crate::{AuthorizationServer, ClientAuth, Code, Http, RawAnswer, SendError, origin};
use http::{HeaderValue, Method, header};
use oauth_secret::ClientSecret;
use zeroize::Zeroizing;

/// The exchange of an authorization code for tokens (RFC 6749, section 4.1.3).
#[derive(Debug)]
pub struct CodeExchange<'a> {
    /// Where to.
    pub server: &'a AuthorizationServer,
    /// The code with its verifier and redirect URI.
    pub code: &'a Code,
    /// The client to which it was issued.
    pub client_id: &'a str,
    /// Its secret, if it has one.
    pub client_secret: Option<&'a ClientSecret>,
    /// How the client authenticates.
    pub auth: ClientAuth,
}

impl CodeExchange<'_> {
    fn to_http(&self) -> Result<reqwest::Request, SendError> {
        let endpoint = &self.server.metadata.token_endpoint;
        origin::allowed(endpoint, self.server.server_is_loopback).map_err(not_allowed)?;
        let mut request = reqwest::Request::new(Method::POST, endpoint.clone());
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", &self.code.code)
            .append_pair("redirect_uri", &self.code.redirect_uri)
            .append_pair("code_verifier", &self.code.verifier)
            .append_pair("resource", &self.server.resource);
        let in_header = match (self.auth, self.client_secret) {
            (ClientAuth::Basic | ClientAuth::BasicAndId, Some(secret)) => {
                Some(basic_header(&encoded(self.client_id), &encoded(secret.expose()))?)
            }
            (ClientAuth::BasicPlain, Some(secret)) => Some(basic_header(self.client_id, secret.expose())?),
            _ => None,
        };
        if in_header.is_none() || self.auth == ClientAuth::BasicAndId {
            form.append_pair("client_id", self.client_id);
        }
        if let (ClientAuth::Post, Some(secret)) = (self.auth, self.client_secret) {
            form.append_pair("client_secret", secret.expose());
        }
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(basic) = in_header {
            headers.insert(header::AUTHORIZATION, basic);
        }
        *request.body_mut() = Some(form.finish().into());
        Ok(request)
    }
}

fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(url::form_urlencoded::byte_serialize(text.as_bytes()).collect())
}

impl Http {
    /// Sends the exchange once, without following redirects: a code is never sent to another place. [`interpret`](crate::interpret) says
    /// what the response means.
    ///
    /// # Errors
    /// There is no complete response.
    pub async fn exchange(&self, exchange: &CodeExchange<'_>) -> Result<RawAnswer, SendError> {
        self.execute(exchange.to_http()?).await
    }
}
