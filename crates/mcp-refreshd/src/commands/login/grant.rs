//! The entry of a new grant, with the members that Claude Code writes at a login (measured, 2.1.330).

use super::target::Target;
use claude_store::RawEntry;
use jiff::Timestamp;
use oauth_secret::ClientSecret;
use serde_json::{Value, json};
use std::time::Duration;
use token_endpoint::{AuthorizationServer, ClientAuth, TokenPair, origin_of};
use zeroize::Zeroizing;

/// The lifetime of a token of which nothing is said: as Claude Code assumes.
const USUAL_LIFETIME: Duration = Duration::from_secs(3600);

/// The client that logs in.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<ClientSecret>,
    pub(super) auth: Option<ClientAuth>,
}

pub(super) fn entry(
    target: &Target,
    server: &AuthorizationServer,
    resource_metadata_url: Option<&str>,
    client: &Client,
    redirect_uri: &str,
    pair: &TokenPair,
    now: Timestamp,
) -> RawEntry {
    let metadata = &server.metadata;
    let authorization_server = metadata.issuer.clone().unwrap_or_else(|| origin_of(&metadata.token_endpoint));
    let published = metadata.source.starts_with("http");
    let lifetime = pair.expires_in.unwrap_or(USUAL_LIFETIME);
    let expires_at =
        now.as_millisecond().saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX));
    let text = |value: &str| Value::from(value);
    let mut members: Vec<(&str, Zeroizing<String>)> = Vec::new();
    let mut add = |name, value: Value| members.push((name, Zeroizing::new(value.to_string())));
    add("serverName", text(&target.name));
    add("serverUrl", text(&target.url));
    add("accessToken", text(pair.access_token.expose()));
    let mut discovery =
        json!({"authorizationServerUrl": authorization_server, "oauthMetadataFound": published});
    if let (Some(url), Some(members)) = (resource_metadata_url, discovery.as_object_mut()) {
        members.insert("resourceMetadataUrl".to_owned(), json!(url));
    }
    add("discoveryState", discovery);
    add("clientId", text(&client.id));
    if let Some(secret) = &client.secret {
        add("clientSecret", text(secret.expose()));
    }
    if let Some(issuer) = &metadata.issuer {
        add("issuer", text(issuer));
    }
    add("redirectUri", text(redirect_uri));
    if let Some(token) = &pair.refresh_token {
        add("refreshToken", text(token.expose()));
    }
    add("expiresAt", json!(expires_at));
    if let Some(scope) = pair.scope.as_ref().or(server.scope.as_ref()) {
        add("scope", text(scope));
    }
    let mut object =
        Zeroizing::new(String::with_capacity(members.iter().map(|(_, value)| value.len() + 32).sum()));
    for (name, value) in &members {
        let separator = if object.is_empty() { '{' } else { ',' };
        object.push(separator);
        object.push_str(&format!("\"{name}\":"));
        object.push_str(value);
    }
    object.push('}');
    RawEntry::new(object.as_str())
}
