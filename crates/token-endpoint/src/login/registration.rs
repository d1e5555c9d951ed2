use crate::body::{self, Members};
use crate::cleaned::{cleaned, harmless};
use crate::{AuthorizationServer, ClientAuth, Http, RawAnswer, SendError, origin};
use http::{HeaderValue, Method, header};
use oauth_secret::ClientSecret;
use serde_json::json;

/// Size limit for a client id in bytes.
const LONGEST_ID: usize = 2048;

/// A client as registered (RFC 7591, section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredClient {
    /// Its id.
    pub client_id: String,
    /// Its secret, if the server issued one although none was asked for.
    pub client_secret: Option<ClientSecret>,
    /// How it authenticates, as far as the server says so.
    pub auth: Option<ClientAuth>,
}

/// Why no client was registered. Nothing was changed on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// The server registers no clients by itself.
    #[error(
        "{0} does not register clients by itself; register one there by hand, and name it with --client-id"
    )]
    Unsupported(String),
    /// It refused (RFC 7591, section 3.2.2).
    #[error(
        "{host} refused to register a client: {why}; register one there by hand, and name it with --client-id"
    )]
    Refused {
        /// The host.
        host: String,
        /// Its error, sanitized.
        why: String,
    },
    /// There was no usable response. Retry later.
    #[error("cannot register a client at the moment: {0}")]
    Unreachable(String),
}

impl Http {
    /// Registers a public client with this redirect URI (RFC 7591).
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn register(
        &self,
        server: &AuthorizationServer,
        redirect_uri: &str,
    ) -> Result<RegisteredClient, RegistrationError> {
        let Some(url) = &server.registration_endpoint else {
            return Err(RegistrationError::Unsupported(origin::host_of(&server.authorization_endpoint)));
        };
        let host = origin::host_of(url);
        origin::allowed(url, server.server_is_loopback).map_err(RegistrationError::Unreachable)?;
        let mut client = json!({
            "client_name": "mcp-refreshd",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        if let (Some(scope), Some(members)) = (&server.scope, client.as_object_mut()) {
            members.insert("scope".to_owned(), json!(scope));
        }
        let mut request = reqwest::Request::new(Method::POST, url.clone());
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(client.to_string().into());
        let answer = self
            .execute(request)
            .await
            .map_err(|error: SendError| RegistrationError::Unreachable(error.to_string()))?;
        registered(&answer, &host)
    }
}

/// What a response to a registration means.
fn registered(answer: &RawAnswer, host: &str) -> Result<RegisteredClient, RegistrationError> {
    let text = body::text(answer);
    let members = Members::parse(&text);
    let said = |name: &str| members.as_ref().and_then(|members| members.text(name));
    match answer.status {
        200..=299 if said("error").is_none() => {}
        404 | 405 | 501 => return Err(RegistrationError::Unsupported(host.to_owned())),
        429 | 500..=599 => {
            return Err(RegistrationError::Unreachable(format!("{host} answered HTTP {}", answer.status)));
        }
        status => {
            // No token exists yet, and `invalid_redirect_uri` is as long as one that is masked.
            let code = said("error").map_or_else(|| format!("HTTP {status}"), |code| harmless(&code));
            let detail = said("error_description").map(|text| format!(" ({})", cleaned(&text)));
            let why = format!("{code}{}", detail.unwrap_or_default());
            return Err(RegistrationError::Refused { host: host.to_owned(), why });
        }
    }
    let Some(client_id) = said("client_id").filter(|id| id.len() <= LONGEST_ID) else {
        return Err(RegistrationError::Refused {
            host: host.to_owned(),
            why: "its response has no client_id".to_owned(),
        });
    };
    let auth = match said("token_endpoint_auth_method").as_deref() {
        Some("none") => Some(ClientAuth::None),
        Some("client_secret_post") => Some(ClientAuth::Post),
        Some("client_secret_basic") => Some(ClientAuth::Basic),
        _ => None,
    };
    // A public client presents no secret, whatever was issued.
    let client_secret =
        said("client_secret").filter(|_| auth != Some(ClientAuth::None)).map(ClientSecret::new);
    Ok(RegisteredClient { client_id, client_secret, auth })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<RegisteredClient, RegistrationError> {
        registered(&RawAnswer::new(status, body), "a.example")
    }

    #[test]
    fn a_registered_client_authenticates_as_the_server_says() {
        let public =
            read(201, r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"none"}"#)
                .unwrap();
        assert_eq!((public.client_secret, public.auth), (None, Some(ClientAuth::None)));
        let secret = read(
            200,
            r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"client_secret_post"}"#,
        );
        assert_eq!(secret.unwrap().auth, Some(ClientAuth::Post));
    }

    #[test]
    fn a_refusal_names_the_cure_and_an_outage_does_not() {
        let refused = read(400, r#"{"error":"invalid_redirect_uri","error_description":"no"}"#).unwrap_err();
        assert!(
            refused.to_string().contains("invalid_redirect_uri (no)")
                && refused.to_string().contains("--client-id")
        );
        for status in [404, 405] {
            assert!(read(status, "").unwrap_err().to_string().contains("--client-id"));
        }
        for status in [429, 503] {
            assert!(matches!(read(status, "<html>").unwrap_err(), RegistrationError::Unreachable(_)));
        }
        for body in ["", "{}", "<html>", r#"{"client_id":""}"#, r#"{"error":"x","client_id":"c"}"#] {
            assert!(matches!(read(200, body).unwrap_err(), RegistrationError::Refused { .. }), "{body}");
        }
    }
}
