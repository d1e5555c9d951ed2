use crate::json::{Member, Object, describe};
use crate::{DiscoveryState, Entry, EntryKey, ExpiresAt};
use compact::{Map, Set};
use oauth_secret::{AccessToken, ClientSecret, RefreshToken};

/// The latest time a JavaScript `Date` can hold, in milliseconds since 1970 (ECMA-262, "Time Values and Time Range").
const LAST_DATE: f64 = 8.64e15;

/// Decodes one entry of a document that was parsed, or reports what is wrong with it.
pub(super) fn entry(key: &EntryKey, raw: &str, configured: Option<&ClientSecret>) -> Result<Entry, String> {
    let object = object("the entry", raw)?;
    let mut entry = Entry::named(key.clone());
    for member in &object.members {
        match &*member.key {
            "serverName" => {
                entry.server_name = nonempty(member)?.unwrap_or_else(|| key.server_name().to_owned());
            }
            "serverUrl" => entry.server_url = text(member)?,
            "accessToken" => entry.access_token = nonempty(member)?.map(AccessToken::new),
            "refreshToken" => entry.refresh_token = nonempty(member)?.map(RefreshToken::new),
            "expiresAt" => entry.expires_at = expires_at(member)?,
            "clientId" => entry.client_id = text(member)?,
            "clientSecret" => entry.client_secret = nonempty(member)?.map(ClientSecret::new),
            "issuer" => entry.issuer = text(member)?,
            "redirectUri" => entry.redirect_uri = text(member)?,
            "scope" => entry.scope = text(member)?,
            "discoveryState" if describe(member.value) != "null" => {
                entry.discovery = discovery(member.value)?;
            }
            _ => {}
        }
    }
    if entry.client_secret.is_none() {
        entry.client_secret = configured.cloned();
    }
    Ok(entry)
}

/// The secrets in `mcpOAuthClientConfig`. Malformed values are ignored: an entry does not depend on them.
pub(super) fn client_secrets(raw: &str) -> Map<String, ClientSecret> {
    let Some(configs) = Object::in_parsed(raw) else { return Map::new() };
    let secret_of = |raw: &str| -> Option<ClientSecret> {
        let config = Object::in_parsed(raw)?;
        let member = config.members.iter().rev().find(|member| member.key == "clientSecret")?;
        nonempty(member).ok()?.map(ClientSecret::new)
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
        match &*member.key {
            "authorizationServerUrl" => {
                state.authorization_server_url = text(member)?;
            }
            // A value of another type means nothing, and the entry does not depend on it.
            "oauthMetadataFound" => state.oauth_metadata_found = member.value.parse().ok(),
            "authServerMetadataUrl" => {
                state.auth_server_metadata_url = text(member)?;
            }
            "resourceMetadataUrl" => state.resource_metadata_url = text(member)?,
            "tokenlessRejectedAt" => {
                state.tokenless_rejected_at = number(member)?.map(to_millis);
            }
            _ => {}
        }
    }
    Ok(state)
}

/// Parses an object without repeated members: it would be unclear which one counts.
fn object<'a>(what: &str, raw: &'a str) -> Result<Object<'a>, String> {
    let object =
        Object::in_parsed(raw).ok_or_else(|| format!("{what} must be an object, not {}", describe(raw)))?;
    let keys = || object.members.iter().map(|member| &*member.key);
    // For so few members, comparing pairs is faster than building a set.
    let twice = if object.members.len() <= 32 {
        keys().enumerate().any(|(number, key)| keys().take(number).any(|earlier| earlier == key))
    } else {
        let mut seen = Set::new();
        !keys().all(|key| seen.insert(key))
    };
    if twice { Err(format!("{what} has a repeated member")) } else { Ok(object) }
}

/// A string; null counts as absent.
fn text(member: &Member<'_>) -> Result<Option<String>, String> {
    if let Some(plain) = member.plain {
        return Ok(Some(plain.to_owned()));
    }
    let raw = member.value;
    match describe(raw) {
        "a string" => serde_json::from_str(raw)
            .map(Some)
            .map_err(|_| format!("`{}` contains an invalid escape", member.key)),
        "null" => Ok(None),
        found => Err(format!("`{}` must be a string, not {found}", member.key)),
    }
}

/// A non-empty string.
fn nonempty(member: &Member<'_>) -> Result<Option<String>, String> {
    Ok(text(member)?.filter(|text| !text.is_empty()))
}

fn number(member: &Member<'_>) -> Result<Option<f64>, String> {
    let raw = member.value;
    match describe(raw) {
        // Like JavaScript, `str::parse` reads 1e400 as infinity; serde_json would reject it.
        "a number" => raw.parse().map(Some).map_err(|_| format!("`{}` is not a valid number", member.key)),
        "null" => Ok(None),
        found => Err(format!("`{}` must be a number, not {found}", member.key)),
    }
}

fn expires_at(member: &Member<'_>) -> Result<ExpiresAt, String> {
    Ok(match number(member)?.map(to_millis) {
        None => ExpiresAt::Absent,
        Some(millis) if millis > 0 => ExpiresAt::At(millis),
        Some(_) => ExpiresAt::Zero,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i64")]
fn to_millis(number: f64) -> i64 {
    number.clamp(-LAST_DATE, LAST_DATE) as i64
}
