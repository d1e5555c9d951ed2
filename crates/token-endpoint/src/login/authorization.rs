use crate::cleaned::{cleaned, harmless};
use crate::request::not_allowed;
use crate::{AuthorizationServer, SendError, same_issuer};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// An authorization request (RFC 6749, section 4.1.1) with PKCE (RFC 7636), and what is needed to judge the response.
pub struct AuthorizationRequest {
    url: Zeroizing<String>,
    state: Zeroizing<String>,
    verifier: Zeroizing<String>,
    issuer: Option<String>,
    states_issuer: bool,
    redirect_uri: String,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// An authorization code with what has to be presented beside it. Wiped when dropped.
pub struct Code {
    pub(crate) code: Zeroizing<String>,
    pub(crate) verifier: Zeroizing<String>,
    pub(crate) redirect_uri: String,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

/// Why an authorization response gives no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Not the response to this request: another login's, or a forged one. The login may go on (RFC 6749, section 10.12).
    #[error("this is not the response to this login: its `state` is another one, or missing")]
    State,
    /// Another authorization server sent it (RFC 9207, section 2.4).
    #[error("the response is from another authorization server{0}; nothing was sent to it; log in again")]
    Issuer(String),
    /// The server refuses (RFC 6749, section 4.1.2.1).
    #[error("the authorization server refused: {0}")]
    Refused(String),
    /// There is neither a code nor an error.
    #[error("the response contains no code")]
    NoCode,
}

impl AuthorizationRequest {
    /// A new request with a `state` and a code verifier of its own.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(server: &AuthorizationServer, client_id: &str, redirect_uri: &str) -> Result<Self, SendError> {
        let (state, verifier) = (random::<16>()?, random::<32>()?);
        let mut url = server.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", client_id)
                .append_pair("redirect_uri", redirect_uri)
                .append_pair("code_challenge", &challenge(&verifier))
                .append_pair("code_challenge_method", "S256")
                .append_pair("state", &state)
                .append_pair("resource", &server.resource);
            if let Some(scope) = &server.scope {
                query.append_pair("scope", scope);
                // OpenID Connect Core 1.0, section 11: without it, `offline_access` is ignored.
                if scope.split(' ').any(|scope| scope == "offline_access") {
                    query.append_pair("prompt", "consent");
                }
            }
        }
        Ok(Self {
            url: Zeroizing::new(url.into()),
            state,
            verifier,
            issuer: server.metadata.issuer.clone(),
            states_issuer: server.states_issuer,
            redirect_uri: redirect_uri.to_owned(),
        })
    }

    /// The URL for the browser. It contains the `state`, so it is shown to the user alone.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Judges the query of an authorization response: first whether it belongs to this request, then who sent it, then what it says.
    ///
    /// # Errors
    /// [`CallbackError`].
    pub fn judge(&self, query: &str) -> Result<Code, CallbackError> {
        let value = |wanted: &str| {
            let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found
                .next()
                .map(|(_, value)| Zeroizing::new(value.into_owned()))
                .filter(|value| !value.is_empty())
        };
        if value("state").is_none_or(|state| *state != *self.state) {
            return Err(CallbackError::State);
        }
        match (value("iss"), &self.issuer) {
            (Some(iss), Some(issuer)) if !same_issuer(&iss, issuer) => {
                return Err(CallbackError::Issuer(format!(" ({})", harmless(&iss))));
            }
            (None, _) if self.states_issuer => {
                return Err(CallbackError::Issuer(": `iss` is missing".to_owned()));
            }
            _ => {}
        }
        if let Some(error) = value("error") {
            let detail = value("error_description").map(|text| format!(" ({})", cleaned(&text)));
            return Err(CallbackError::Refused(format!("{}{}", cleaned(&error), detail.unwrap_or_default())));
        }
        Ok(Code {
            code: value("code").ok_or(CallbackError::NoCode)?,
            verifier: self.verifier.clone(),
            redirect_uri: self.redirect_uri.clone(),
        })
    }

    /// Judges what the user pasted: the URL to which the browser was redirected, or `code#state`.
    ///
    /// # Errors
    /// [`CallbackError`].
    pub fn judge_pasted(&self, text: &str) -> Result<Code, CallbackError> {
        let text = text.trim();
        if let Ok(url) = Url::parse(text).map(String::from).map(Zeroizing::new) {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            return self.judge(query.split('#').next().unwrap_or_default());
        }
        let (code, state) = text.split_once('#').ok_or(CallbackError::State)?;
        let query = Zeroizing::new(
            url::form_urlencoded::Serializer::new(String::new())
                .append_pair("code", code)
                .append_pair("state", state)
                .finish(),
        );
        self.judge(&query)
    }
}

/// This many random bytes as text.
fn random<const BYTES: usize>() -> Result<Zeroizing<String>, SendError> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    SystemRandom::new()
        .fill(&mut *bytes)
        .map_err(|_| not_allowed("the system has no random numbers".to_owned()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// The challenge of a code verifier (RFC 7636, section 4.2: `S256`).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;

    fn request(states_issuer: bool) -> AuthorizationRequest {
        let server = AuthorizationServer {
            metadata: Metadata {
                issuer: Some("https://a.example".to_owned()),
                token_endpoint: Url::parse("https://a.example/token").unwrap(),
                auth_methods: Vec::new(),
                resource: None,
                source: String::new(),
            },
            authorization_endpoint: Url::parse("https://a.example/authorize?tenant=1").unwrap(),
            registration_endpoint: None,
            states_issuer,
            scope: Some("read offline_access".to_owned()),
            resource: "https://m.example/mcp".to_owned(),
            server_is_loopback: false,
        };
        AuthorizationRequest::new(&server, "client 1", "http://localhost:1234/callback").unwrap()
    }

    fn judged(request: &AuthorizationRequest, query: &str) -> Result<String, CallbackError> {
        request.judge(&query.replace("STATE", &request.state)).map(|code| code.code.to_string())
    }

    #[test]
    fn the_url_carries_every_parameter_and_keeps_the_endpoints_own() {
        let request = request(false);
        let url = Url::parse(request.url()).unwrap();
        let query: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let expected = [
            "tenant",
            "response_type",
            "client_id",
            "redirect_uri",
            "code_challenge",
            "code_challenge_method",
            "state",
            "resource",
            "scope",
            "prompt",
        ];
        assert_eq!(query, expected);
        assert!(!request.url().contains(request.verifier.as_str()));
        let challenge = challenge(&request.verifier);
        assert!(url.query_pairs().any(|(name, value)| name == "code_challenge" && value == challenge));
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn two_requests_share_neither_state_nor_verifier() {
        let (one, other) = (request(false), request(false));
        assert!(one.state != other.state && one.verifier != other.verifier);
        assert!(one.state.len() >= 22 && one.verifier.len() >= 43);
        assert!(!format!("{one:?}").contains(one.state.as_str()));
    }

    #[test]
    fn only_a_response_with_this_state_and_issuer_gives_a_code() {
        let request = request(true);
        assert_eq!(judged(&request, "code=c1&state=STATE&iss=https://a.example").unwrap(), "c1");
        assert_eq!(judged(&request, "code=c1&iss=https://a.example").unwrap_err(), CallbackError::State);
        assert_eq!(
            judged(&request, "code=c1&state=x&iss=https://a.example").unwrap_err(),
            CallbackError::State
        );
        for query in
            ["code=c1&state=STATE&iss=https://evil.example", "code=c1&state=STATE", "error=x&state=STATE"]
        {
            assert!(matches!(judged(&request, query).unwrap_err(), CallbackError::Issuer(_)), "{query}");
        }
        let none = judged(&request, "state=STATE&iss=https://a.example").unwrap_err();
        assert_eq!(none, CallbackError::NoCode);
        let refused = judged(
            &request,
            "error=access_denied&error_description=no%1b%5b31m&state=STATE&iss=https://a.example",
        );
        assert_eq!(refused.unwrap_err(), CallbackError::Refused("access_denied (no[31m)".to_owned()));
    }

    #[test]
    fn a_server_that_promises_no_issuer_need_not_send_one_but_a_wrong_one_counts() {
        let request = request(false);
        assert_eq!(judged(&request, "code=c1&state=STATE").unwrap(), "c1");
        assert!(judged(&request, "code=c1&state=STATE&iss=https://evil.example").is_err());
    }

    #[test]
    fn a_pasted_url_and_a_pasted_code_with_its_state_are_the_same() {
        let request = request(false);
        let state = request.state.to_string();
        for pasted in
            [format!(" http://localhost:1234/callback?code=c1&state={state}#x \n"), format!("c1#{state}")]
        {
            assert_eq!(*request.judge_pasted(&pasted).unwrap().code, "c1");
        }
        for pasted in
            ["", "c1", "c1#x", "http://localhost:1234/callback?code=c1", "https://elsewhere.example"]
        {
            assert_eq!(request.judge_pasted(pasted).unwrap_err(), CallbackError::State, "{pasted}");
        }
    }
}
