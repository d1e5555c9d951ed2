use crate::request::{Client, Form, not_allowed, post};
use crate::{AuthorizationServer, ClientAuth, Code, Http, RawAnswer, SendError, origin};
use oauth_secret::ClientSecret;

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
        let mut form = Form::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", &self.code.code)
            .append_pair("redirect_uri", &self.code.redirect_uri)
            .append_pair("code_verifier", &self.code.verifier)
            .append_pair("resource", &self.server.resource);
        let client = Client { id: self.client_id, secret: self.client_secret, auth: self.auth };
        let authorization = client.add_to(&mut form)?;
        Ok(post(endpoint, form.finish(), authorization))
    }
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
