use crate::lifetime::{self, Given};
use crate::{TokenPair, body::Members};
use oauth_secret::{AccessToken, RefreshToken};
use oauth2::{
    Client, ClientId, ExtraTokenFields, HttpRequest, HttpResponse, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
    },
};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

/// The members beyond RFC 6749, section 5.1.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RefreshLifetime {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
}

impl ExtraTokenFields for RefreshLifetime {}

type Granted = StandardTokenResponse<RefreshLifetime, BasicTokenType>;
type GrantClient = Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// The answer in the one form the `oauth2` crate reads: it refuses a missing `token_type`, a lifetime as text or with a
/// fraction and a scope as a list, and would lose the rotated token with them.
#[derive(Serialize)]
struct Normalised {
    access_token: String,
    token_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(flatten)]
    extra: RefreshLifetime,
}

/// The pair in the members of a successful answer; `None` if there is no access token in them.
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
    let normalised = Normalised {
        access_token,
        token_type: members.text("token_type").unwrap_or_else(|| "bearer".to_owned()),
        expires_in,
        refresh_token,
        scope: scope(members),
        extra: RefreshLifetime { refresh_expires_in },
    };
    let granted = parse(serde_json::to_vec(&normalised).ok()?)?;
    Some(TokenPair {
        access_token: AccessToken::new(granted.access_token().secret().as_str()),
        refresh_token: granted.refresh_token().map(|token| RefreshToken::new(token.secret().as_str())),
        expires_in: granted.expires_in(),
        refresh_expires_in: granted.extra_fields().refresh_expires_in.map(Duration::from_secs),
        scope: granted
            .scopes()
            .map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "))
            .filter(|scope| !scope.is_empty()),
    })
}

/// Hands the normalised answer to the `oauth2` crate as if it had just come.
fn parse(body: Vec<u8>) -> Option<Granted> {
    let client = GrantClient::new(ClientId::new(String::new()))
        .set_token_uri(TokenUrl::new("https://localhost/".to_owned()).ok()?);
    let body = RefCell::new(body);
    let answer = |_: HttpRequest| Ok::<_, Infallible>(HttpResponse::new(body.take()));
    let unused = oauth2::RefreshToken::new(String::new());
    // The error is dropped unread: it holds the body.
    client.exchange_refresh_token(&unused).request(&answer).ok()
}

/// A scope as a text or as a list of texts.
fn scope(members: &Members<'_>) -> Option<String> {
    let list =
        || serde_json::from_str::<Vec<String>>(members.raw("scope")?).ok().map(|items| items.join(" "));
    let scope = members.text("scope").or_else(list)?;
    let scope = scope.split_whitespace().collect::<Vec<_>>().join(" ");
    (!scope.is_empty()).then_some(scope)
}
