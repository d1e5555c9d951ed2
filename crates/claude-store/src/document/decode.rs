use crate::json::{Object, describe};
use crate::{DiscoveryState, Entry, EntryKey, ExpiresAt};
use oauth_secret::{AccessToken, ClientSecret, RefreshToken};
use std::collections::{BTreeMap, BTreeSet};

/// The last moment that a JavaScript `Date` can hold, in milliseconds since 1970 (ECMA-262, "Time Values and Time Range").
const LAST_DATE: f64 = 8.64e15;

/// Decodes one entry, or says what is wrong with it.
pub(super) fn entry(key: &EntryKey, raw: &str, configured: Option<&ClientSecret>) -> Result<Entry, String> {
    let object = object("the entry", raw)?;
    let mut entry = Entry {
        key: key.clone(),
        server_name: String::new(),
        server_url: None,
        access_token: None,
        refresh_token: None,
        expires_at: ExpiresAt::Absent,
        client_id: None,
        client_secret: None,
        issuer: None,
        redirect_uri: None,
        scope: None,
        discovery: DiscoveryState::default(),
    };
    let mut name = None;
    for member in &object.members {
        let raw = member.value;
        match &*member.key {
            "serverName" => name = text("serverName", raw)?,
            "serverUrl" => entry.server_url = text("serverUrl", raw)?,
            "accessToken" => entry.access_token = secret("accessToken", raw)?.map(AccessToken::new),
            "refreshToken" => entry.refresh_token = secret("refreshToken", raw)?.map(RefreshToken::new),
            "expiresAt" => entry.expires_at = expires_at(raw)?,
            "clientId" => entry.client_id = text("clientId", raw)?,
            "clientSecret" => entry.client_secret = secret("clientSecret", raw)?.map(ClientSecret::new),
            "issuer" => entry.issuer = text("issuer", raw)?,
            "redirectUri" => entry.redirect_uri = text("redirectUri", raw)?,
            "scope" => entry.scope = text("scope", raw)?,
            "discoveryState" if describe(raw) != "null" => entry.discovery = discovery(raw)?,
            _ => {}
        }
    }
    entry.server_name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| key.server_name().to_owned());
    if entry.client_secret.is_none() {
        entry.client_secret = configured.cloned();
    }
    Ok(entry)
}

/// The secrets in `mcpOAuthClientConfig`. Whatever is odd there is passed over: an entry can do without.
pub(super) fn client_secrets(raw: &str) -> BTreeMap<String, ClientSecret> {
    let Ok(configs) = Object::parse(raw) else { return BTreeMap::new() };
    let secret_of = |raw: &str| -> Option<ClientSecret> {
        let config = Object::parse(raw).ok()?;
        let member = config.members.iter().rev().find(|member| member.key == "clientSecret")?;
        secret("clientSecret", member.value).ok()?.map(ClientSecret::new)
    };
    configs
        .members
        .iter()
        .filter_map(|member| Some((member.key.clone().into_owned(), secret_of(member.value)?)))
        .collect()
}

fn discovery(raw: &str) -> Result<DiscoveryState, String> {
    let object = object("`discoveryState`", raw)?;
    let mut state = DiscoveryState::default();
    for member in &object.members {
        let raw = member.value;
        match &*member.key {
            "authorizationServerUrl" => {
                state.authorization_server_url = text("authorizationServerUrl", raw)?;
            }
            // Of another type it says nothing, and an entry can do without.
            "oauthMetadataFound" => state.oauth_metadata_found = raw.parse().ok(),
            "authServerMetadataUrl" => {
                state.auth_server_metadata_url = text("authServerMetadataUrl", raw)?;
            }
            "resourceMetadataUrl" => state.resource_metadata_url = text("resourceMetadataUrl", raw)?,
            "tokenlessRejectedAt" => {
                state.tokenless_rejected_at = number("tokenlessRejectedAt", raw)?.map(to_millis);
            }
            _ => {}
        }
    }
    Ok(state)
}

/// An object in which no member stands twice: of two, nobody can know which one is meant.
fn object<'a>(what: &str, raw: &'a str) -> Result<Object<'a>, String> {
    let object =
        Object::parse(raw).map_err(|_| format!("{what} is {} where an object is expected", describe(raw)))?;
    let keys = || object.members.iter().map(|member| &*member.key);
    // Few members are compared with each other faster than any set is made of them.
    let twice = if object.members.len() <= 32 {
        keys().enumerate().any(|(number, key)| keys().take(number).any(|earlier| earlier == key))
    } else {
        let mut seen = BTreeSet::new();
        !keys().all(|key| seen.insert(key))
    };
    if twice { Err(format!("a member of {what} stands there more than once")) } else { Ok(object) }
}

/// A string, or null for none.
fn text(name: &str, raw: &str) -> Result<Option<String>, String> {
    if let Some(plain) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'))
        && !plain.contains('\\')
    {
        return Ok(Some(plain.to_owned()));
    }
    match describe(raw) {
        "a string" => serde_json::from_str(raw)
            .map(Some)
            .map_err(|_| format!("`{name}` holds an escape that stands for no character")),
        "null" => Ok(None),
        found => Err(format!("`{name}` is {found} where a string is expected")),
    }
}

/// A string that is not empty.
fn secret(name: &str, raw: &str) -> Result<Option<String>, String> {
    Ok(text(name, raw)?.filter(|text| !text.is_empty()))
}

fn number(name: &str, raw: &str) -> Result<Option<f64>, String> {
    match describe(raw) {
        // `str::parse` makes infinity of 1e400, as JavaScript does; serde_json would refuse it.
        "a number" => raw.parse().map(Some).map_err(|_| format!("`{name}` is a number that cannot be read")),
        "null" => Ok(None),
        found => Err(format!("`{name}` is {found} where a number is expected")),
    }
}

fn expires_at(raw: &str) -> Result<ExpiresAt, String> {
    Ok(match number("expiresAt", raw)?.map(to_millis) {
        None => ExpiresAt::Absent,
        Some(millis) if millis > 0 => ExpiresAt::At(millis),
        Some(_) => ExpiresAt::Zero,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what an i64 holds")]
fn to_millis(number: f64) -> i64 {
    number.clamp(-LAST_DATE, LAST_DATE) as i64
}
