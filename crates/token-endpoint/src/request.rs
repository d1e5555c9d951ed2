use crate::{Answer, RequestShape, SendError, UnsentKind, origin};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, header};
use oauth_secret::{ClientSecret, RefreshToken};
use serde::{Deserialize, Serialize};
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
    /// The request for the wire (RFC 6749, section 6).
    pub(crate) fn to_http(&self) -> Result<reqwest::Request, SendError> {
        let server_is_loopback = Url::parse(&self.resource).is_ok_and(|url| origin::is_loopback(&url));
        origin::allowed(&self.token_endpoint, server_is_loopback).map_err(not_allowed)?;

        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", self.refresh_token.expose());
        if let (true, Some(scope)) = (self.shape.scope, &self.scope) {
            let scopes: Vec<&str> = scope.split_whitespace().collect();
            if !scopes.is_empty() {
                form.append_pair("scope", &scopes.join(" "));
            }
        }
        let client = Client {
            id: self.client_id.as_deref().unwrap_or_default(),
            secret: self.client_secret.as_ref(),
            auth: self.auth,
        };
        let authorization = client.add_to(&mut form)?;
        if self.shape.resource && !self.resource.is_empty() {
            form.append_pair("resource", &self.resource);
        }
        let mut request = post(&self.token_endpoint, form.finish(), authorization);
        // A compressed response that is cut off, or in an unknown encoding, would cost the rotated token.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(request)
    }
}

/// Who asks, and how it proves that.
pub(crate) struct Client<'a> {
    /// Empty: the request names no client.
    pub(crate) id: &'a str,
    pub(crate) secret: Option<&'a ClientSecret>,
    pub(crate) auth: ClientAuth,
}

impl Client<'_> {
    /// Adds to the form what belongs there, and returns the header for the rest. Without a secret every method is [`ClientAuth::None`].
    pub(crate) fn add_to(&self, form: &mut Form) -> Result<Option<HeaderValue>, SendError> {
        let Some(secret) = self.secret.map(ClientSecret::expose) else {
            self.add_id_to(form);
            return Ok(None);
        };
        match self.auth {
            ClientAuth::Basic => return basic_header(&encoded(self.id), &encoded(secret)).map(Some),
            ClientAuth::BasicPlain => return basic_header(self.id, secret).map(Some),
            ClientAuth::BasicAndId => {
                self.add_id_to(form);
                return basic_header(&encoded(self.id), &encoded(secret)).map(Some);
            }
            ClientAuth::Post => {
                self.add_id_to(form);
                form.append_pair("client_secret", secret);
            }
            ClientAuth::None => self.add_id_to(form),
        }
        Ok(None)
    }

    fn add_id_to(&self, form: &mut Form) {
        if !self.id.is_empty() {
            form.append_pair("client_id", self.id);
        }
    }
}

/// The body of a request to a token endpoint.
pub(crate) type Form = url::form_urlencoded::Serializer<'static, String>;

/// A request to a token endpoint with this body.
pub(crate) fn post(url: &Url, body: String, authorization: Option<HeaderValue>) -> reqwest::Request {
    let mut request = reqwest::Request::new(Method::POST, url.clone());
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if let Some(authorization) = authorization {
        headers.insert(header::AUTHORIZATION, authorization);
    }
    *request.body_mut() = Some(body.into());
    request
}

fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(form_encoded(text))
}

/// The header of HTTP Basic authentication with this id and secret.
fn basic_header(client_id: &str, secret: &str) -> Result<HeaderValue, SendError> {
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

#[cfg(test)]
mod tests;
