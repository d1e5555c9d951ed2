use crate::lifetime::{self, Given};
use crate::{TokenPair, body::Members};
use oauth_secret::{AccessToken, RefreshToken};
use std::time::Duration;

/// The pair in the members of a successful answer; `None` if there is no access token in them.
///
/// Read with more patience than RFC 6749, section 5.1, asks for, since the rotated token would be lost with an answer that is not understood:
/// without `token_type`, with a lifetime as text or with a fraction, with a scope as a list.
pub(crate) fn pair(members: &Members<'_>, given: Given) -> Option<TokenPair> {
    let access_token = members.text("access_token")?;
    let refresh_token = members.text("refresh_token");
    let named = lifetime::named(members, &["expires_in"])
        .or_else(|| lifetime::until(members, &["expires_at", "expires_on"], given));
    // What the MCP server checks is the token's own end: where the answer promises more, the earlier counts.
    let expires_in = named.map(|life| lifetime::claimed(&access_token, given).unwrap_or(life).min(life));
    let refresh_expires_in = lifetime::named(members, &["refresh_expires_in", "refresh_token_expires_in"])
        .or_else(|| lifetime::until(members, &["refresh_expires_at", "refresh_token_expires_at"], given))
        .or_else(|| refresh_token.as_deref().and_then(|token| lifetime::claimed(token, given)));
    Some(TokenPair {
        access_token: AccessToken::new(access_token),
        refresh_token: refresh_token.map(RefreshToken::new),
        expires_in: expires_in.map(Duration::from_secs),
        refresh_expires_in: refresh_expires_in.map(Duration::from_secs),
        scope: scope(members),
    })
}

/// A scope as a text or as a list of texts.
fn scope(members: &Members<'_>) -> Option<String> {
    let list =
        || serde_json::from_str::<Vec<String>>(members.raw("scope")?).ok().map(|items| items.join(" "));
    let scope = members.text("scope").or_else(list)?;
    let scope = scope.split_whitespace().collect::<Vec<_>>().join(" ");
    (!scope.is_empty()).then_some(scope)
}
