//! Requests of which only the response head matters: is the server there, and does it accept this token?

use crate::document::Document;
use crate::{Http, SendError, ServerHints, UnsentKind, body, date, discover, origin};
use http::{HeaderValue, Method, header};
use jiff::Timestamp;
use oauth_secret::AccessToken;
use std::time::Duration;
use url::Url;

/// An MCP client's first message (MCP 2025-06-18, "Initialization").
pub(crate) const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"#,
    r#""clientInfo":{"name":"mcp-refreshd","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}}"#
);
/// The session that the server may have opened.
const SESSION: &str = "mcp-session-id";
/// Time limit for closing that session; nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(3);

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The HTTP status.
    pub status: u16,
    /// The server's clock, if stated.
    pub date: Option<Timestamp>,
}

/// What an authorization server's metadata says about refresh tokens (RFC 8414, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshOffer {
    /// Whether `refresh_token` is among the grant types; `None` if they are not stated.
    pub refresh_token: Option<bool>,
    /// Whether `offline_access` is among the scopes.
    pub offline_access: bool,
}

impl Http {
    /// Sends an authenticated MCP `initialize`, which shows whether the server accepts the token. The response body, often an endless
    /// event stream, is not read; a newly opened session is closed.
    ///
    /// # Errors
    /// There is no response, or the URL may not receive a token (https, or http to this machine).
    pub async fn initialize(&self, server_url: &str, token: &AccessToken) -> Result<Probe, SendError> {
        let url = allowed(server_url, server_url)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| not_allowed("the access token cannot be put into a header".to_owned()))?;
        bearer.set_sensitive(true);
        let request = |method| {
            let mut request = reqwest::Request::new(method, url.clone());
            request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
            request
        };
        let mut initialize = request(Method::POST);
        let headers = initialize.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        *initialize.body_mut() = Some(INITIALIZE.into());
        let answer = self.begin(initialize).await?;
        let probe = head_of(&answer);
        let session = answer.headers().get(SESSION).cloned();
        drop(answer);
        if let Some(session) = session {
            let mut farewell = request(Method::DELETE);
            farewell.headers_mut().insert(SESSION, session);
            // A server that does not support this ends the session by itself.
            let _ = tokio::time::timeout(FAREWELL, self.begin(farewell)).await;
        }
        Ok(probe)
    }

    /// Requests the metadata of the origin of `place` without a token, to see whether it responds and what its clock says. `server_url` is
    /// its MCP server.
    ///
    /// # Errors
    /// There is no response, or the URL may not be requested.
    pub async fn probe(&self, place: &str, server_url: &str) -> Result<Probe, SendError> {
        let mut url = allowed(place, server_url)?;
        url.set_path("/.well-known/oauth-authorization-server");
        url.set_query(None);
        let mut request = reqwest::Request::new(Method::GET, url);
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(head_of(&self.begin(request).await?))
    }

    /// Whether the server's metadata offers refresh tokens; `None` if that cannot be determined now.
    pub async fn refresh_offer(&self, hints: &ServerHints) -> Option<RefreshOffer> {
        let metadata = discover(self, hints).await.ok()?;
        // If nothing is published, the source is a sentence.
        let source = allowed(&metadata.source, &hints.server_url).ok()?;
        let answer = self.get(&source).await.ok()?;
        let published: Document = serde_json::from_str(&body::text(&answer)).ok()?;
        let names = |list: &Option<Vec<String>>, name: &str| list.iter().flatten().any(|known| known == name);
        let grants = &published.grant_types_supported;
        Some(RefreshOffer {
            refresh_token: grants.is_some().then(|| names(grants, "refresh_token")),
            offline_access: names(&published.scopes_supported, "offline_access"),
        })
    }
}

fn head_of(answer: &reqwest::Response) -> Probe {
    let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    Probe { status: answer.status().as_u16(), date: date.and_then(date::http_date) }
}

pub(crate) fn allowed(url: &str, server_url: &str) -> Result<Url, SendError> {
    let url = Url::parse(url).map_err(|error| not_allowed(format!("it is not a valid URL: {error}")))?;
    let loopback = Url::parse(server_url).is_ok_and(|server| origin::is_loopback(&server));
    origin::allowed(&url, loopback).map_err(not_allowed)?;
    Ok(url)
}

fn not_allowed(why: String) -> SendError {
    SendError::Unsent { why, kind: UnsentKind::NotAllowed }
}
