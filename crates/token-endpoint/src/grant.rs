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

/// Above this a lifetime says "for ever" or was counted in another unit: it is taken as not said.
const LONGEST_LIFETIME: f64 = 100.0 * 365.25 * 86_400.0;

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
pub(crate) fn pair(members: &Members<'_>) -> Option<TokenPair> {
    let normalised = Normalised {
        access_token: members.text("access_token")?,
        token_type: members.text("token_type").unwrap_or_else(|| "bearer".to_owned()),
        expires_in: lifetime(members, "expires_in"),
        refresh_token: members.text("refresh_token"),
        scope: scope(members),
        extra: RefreshLifetime {
            refresh_expires_in: lifetime(members, "refresh_expires_in")
                .or_else(|| lifetime(members, "refresh_token_expires_in")),
        },
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

/// Whole seconds, whether written as a number or as a text; `None` where they cannot be meant.
fn lifetime(members: &Members<'_>, name: &str) -> Option<u64> {
    let raw = members.raw(name)?;
    let seconds: f64 = raw.trim_matches('"').trim().parse().ok()?;
    // From 1 to a hundred years: in the range of u64, and nothing below a second is a lifetime.
    (1.0..=LONGEST_LIFETIME).contains(&seconds).then_some(seconds as u64)
}

/// A scope as a text or as a list of texts.
fn scope(members: &Members<'_>) -> Option<String> {
    let list =
        || serde_json::from_str::<Vec<String>>(members.raw("scope")?).ok().map(|items| items.join(" "));
    let scope = members.text("scope").or_else(list)?;
    let scope = scope.split_whitespace().collect::<Vec<_>>().join(" ");
    (!scope.is_empty()).then_some(scope)
}
