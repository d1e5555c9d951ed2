use crate::{Answer, HttpReply};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What one [`Site`](crate::Site) does. It can be changed while the server runs.
///
/// As JSON (command line, control endpoint) the members have the same names; durations are seconds under a name ending in `_s`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Life of the access tokens issued from now on.
    #[serde(rename = "lifetime_s", with = "crate::seconds")]
    pub lifetime: Duration,
    /// Whether a refresh returns a new refresh token. If not, the response carries the old one (or none, see [`Shape`](crate::Shape)).
    pub rotates: bool,
    /// What happens when a spent refresh token is reused.
    pub reuse: Reuse,
    /// The old access token dies when the refresh token rotates (Notion).
    pub old_access_dies: bool,
    /// Whether a login returns a refresh token, as the metadata says.
    pub refresh_tokens: bool,
    /// Life of a refresh token, announced as `refresh_expires_in` (Keycloak).
    #[serde(rename = "refresh_lifetime_s", with = "crate::seconds::optional")]
    pub refresh_lifetime: Option<Duration>,
    /// Access tokens are JWTs with an `exp` claim (not signed by anybody).
    pub jwt: bool,
    /// The `aud` claim of those.
    pub audience: Option<String>,
    /// How a client must authenticate itself at the token endpoint.
    pub client_auth: ClientAuth,
    /// The id of clients registered from now on; generated if not set.
    pub client_id: Option<String>,
    /// The secret of clients registered from now on; generated if not set.
    pub client_secret: Option<String>,
    /// Another `token_endpoint_auth_methods_supported` than the right one; empty: the member is not there.
    pub auth_methods: Option<Vec<String>>,
    /// What is demanded of the `resource` parameter (RFC 8707).
    pub resource: ResourceRule,
    /// Another answer to a refused `resource` than 400 `invalid_target`.
    pub resource_refusal: Option<HttpReply>,
    /// What [`ResourceRule::Required`] demands, if not the MCP server's URL.
    pub resource_wanted: Option<String>,
    /// A refresh without `scope` is refused (Entra ID).
    pub scope_required: bool,
    /// How the server says that a refresh token is dead.
    pub dead_style: DeadStyle,
    /// Refuses a refresh while the access token is still good for long.
    pub early_refusal: Option<EarlyRefusal>,
    /// The edge rejects User-Agents with this prefix with a 403 page before anything is processed.
    pub refused_user_agents: Vec<String>,
    /// Where the metadata of the authorization server is found.
    pub discovery: Discovery,
    /// Metadata responses of either kind never end.
    pub endless_metadata: bool,
    /// Whether the MCP server has protected-resource metadata (RFC 9728).
    pub resource_metadata: bool,
    /// Where that metadata is found.
    pub resource_metadata_at: ResourceMetadataAt,
    /// Another `resource` in that metadata than the MCP server's URL.
    pub resource_named: Option<String>,
    /// Another authorization server in that metadata than this one.
    pub authorization_server: Option<String>,
    /// Whether a 401 of the MCP server says where that metadata is.
    pub challenge_names_metadata: bool,
    /// Another `issuer` in the metadata than the right one.
    pub issuer: Option<String>,
    /// Whether clients can register (RFC 7591).
    pub registration: Registration,
    /// Whether there is a revocation endpoint (RFC 7009). What is revoked by a refresh token, an old one too, is its whole family.
    pub revocation: bool,
    /// Another `token_endpoint` in the metadata than the right one.
    pub token_endpoint: Option<String>,
    /// The token endpoint's URL is a redirect; the honest endpoint has a trailing slash.
    pub token_redirect: Option<Redirect>,
    /// How a refresh is answered when [`next`](Self::next) is empty. Other grant types are always answered honestly.
    pub answer: Answer,
    /// How the next refreshes are answered, one each.
    pub next: VecDeque<Answer>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(3600),
            rotates: true,
            reuse: Reuse::default(),
            old_access_dies: false,
            refresh_tokens: true,
            refresh_lifetime: None,
            jwt: false,
            audience: None,
            client_auth: ClientAuth::default(),
            client_id: None,
            client_secret: None,
            auth_methods: None,
            resource: ResourceRule::default(),
            resource_refusal: None,
            resource_wanted: None,
            scope_required: false,
            dead_style: DeadStyle::default(),
            early_refusal: None,
            refused_user_agents: Vec::new(),
            discovery: Discovery::default(),
            endless_metadata: false,
            resource_metadata: true,
            resource_metadata_at: ResourceMetadataAt::default(),
            resource_named: None,
            authorization_server: None,
            challenge_names_metadata: true,
            issuer: None,
            registration: Registration::default(),
            revocation: false,
            token_endpoint: None,
            token_redirect: None,
            answer: Answer::default(),
            next: VecDeque::new(),
        }
    }
}

/// What happens when a spent refresh token is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// Within the grace (counted from when it was spent) it is answered with the family's current refresh token and another access
    /// token; after it the whole family is revoked (RFC 9700, section 4.14.2).
    Revoke {
        /// The grace: 0 for none, 10 s as GoTrue, 30 min as Linear.
        #[serde(rename = "grace_s", with = "crate::seconds")]
        grace: Duration,
    },
    /// It is refused, but the family stays valid.
    Refuse,
    /// The previous token is as valid as the current one; older ones are refused (Cloudflare's workers-oauth-provider).
    PreviousIsGood,
}

impl Default for Reuse {
    fn default() -> Self {
        Self::Revoke { grace: Duration::ZERO }
    }
}

/// How a client authenticates itself at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all: a public client that names itself.
    #[default]
    None,
    /// `client_secret` in the form.
    Post,
    /// The `Authorization` header.
    Basic,
    /// The `Authorization` header, and `client_id` in the form as well (the Python SDK of MCP).
    BasicAndId,
    /// The `Authorization` header, compared as it comes: nothing in it is form-decoded.
    BasicAsIs,
    /// The form or the header; both at once are refused (RFC 6749, section 2.3).
    Either,
}

impl ClientAuth {
    /// The name in `token_endpoint_auth_methods_supported`.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Post => "client_secret_post",
            Self::Basic | Self::BasicAndId | Self::BasicAsIs | Self::Either => "client_secret_basic",
        }
    }

    /// `token_endpoint_auth_methods_supported`.
    pub(crate) fn methods(self) -> Vec<String> {
        let further = (self == Self::Either).then_some(Self::Post);
        further.into_iter().chain([self]).map(|auth| auth.method().to_owned()).collect()
    }
}

/// What is demanded of the `resource` parameter (RFC 8707).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceRule {
    /// Nothing; it is ignored.
    #[default]
    Ignored,
    /// It must be present and name the MCP server (400 `invalid_target` otherwise).
    Required,
    /// It must be absent (Entra ID's AADSTS9010010).
    Refused,
}

/// Where the protected-resource metadata (RFC 9728, section 3.1) of `…/lab/mcp` is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceMetadataAt {
    /// With the MCP server's path and without it.
    #[default]
    Everywhere,
    /// `/.well-known/oauth-protected-resource/lab/mcp`.
    Path,
    /// `/.well-known/oauth-protected-resource/lab`: for the root site without any path.
    Root,
}

/// A redirect of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// 307 or 308 keep method and body.
    pub status: u16,
    /// `Location`, as it goes out.
    pub location: String,
}

/// How the server says that a refresh token is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadStyle {
    /// 400 `invalid_grant` (RFC 6749).
    #[default]
    InvalidGrant,
    /// 401 `invalid_grant` (FastMCP).
    Unauthorized,
    /// 400 `invalid_grant: Grant not found` (Linear).
    Linear,
    /// 200 `{"ok":false,"error":"invalid_refresh_token"}`.
    Slack,
    /// 403 `unauthorized_client: refresh_token is invalid`.
    Atlassian,
    /// 400 `invalid_request … RefreshTokenInvalid`.
    Zitadel,
}

/// Refuses a refresh with 400 while the access token is still good for longer than this, though the refresh token is good
/// and stays so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyRefusal {
    /// The access token's remaining life above which a refresh is too early.
    #[serde(rename = "above_s", with = "crate::seconds")]
    pub above: Duration,
    /// The `error` member.
    pub code: String,
}

/// Whether clients can register (RFC 7591).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Any client.
    #[default]
    Open,
    /// 403 `access_denied`.
    Refused,
    /// The metadata names no endpoint.
    Absent,
}

/// Where the authorization server's metadata is found, for the issuer `…/lab`; all other places answer 404.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// `/.well-known/oauth-authorization-server/lab` (RFC 8414, section 3.1).
    #[default]
    OAuth,
    /// `/lab/.well-known/oauth-authorization-server`.
    OAuthAppended,
    /// `/.well-known/openid-configuration/lab`.
    OpenIdInserted,
    /// `/lab/.well-known/openid-configuration` (OpenID Connect Discovery 1.0, section 4).
    OpenIdAppended,
    /// Nowhere.
    Absent,
}
