use crate::EntryKey;
use oauth_secret::{AccessToken, ClientSecret, RefreshToken};

/// One MCP server's grant, as the client stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry's name in the document.
    pub key: EntryKey,
    /// The server's name for people; taken from the key where the entry does not say it.
    pub server_name: String,
    /// The MCP server's URL (the `resource` of RFC 8707).
    pub server_url: Option<String>,
    /// `None` when absent, null or empty.
    pub access_token: Option<AccessToken>,
    /// `None` when absent, null or empty.
    pub refresh_token: Option<RefreshToken>,
    /// When the access token expires.
    pub expires_at: ExpiresAt,
    /// The OAuth client the grant was given to.
    pub client_id: Option<String>,
    /// The entry's own secret, else the one in `mcpOAuthClientConfig` under the same key.
    pub client_secret: Option<ClientSecret>,
    /// The authorization server's issuer identifier (RFC 8414).
    pub issuer: Option<String>,
    /// The redirect URI of the login.
    pub redirect_uri: Option<String>,
    /// The granted scope; may be empty.
    pub scope: Option<String>,
    /// What the client found out about the authorization server.
    pub discovery: DiscoveryState,
}

/// The entry's `discoveryState`. Older clients write none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryState {
    /// The authorization server's URL.
    pub authorization_server_url: Option<String>,
    /// Whether the client found metadata of the authorization server at the login.
    pub oauth_metadata_found: Option<bool>,
    /// Where the authorization server's metadata was configured to be.
    pub auth_server_metadata_url: Option<String>,
    /// Where the protected resource's metadata was (RFC 9728).
    pub resource_metadata_url: Option<String>,
    /// When the server last refused a request without a token; milliseconds since 1970.
    pub tokenless_rejected_at: Option<i64>,
}

/// The entry's `expiresAt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiresAt {
    /// Absent or null: the client takes the token for one that does not expire.
    Absent,
    /// Zero or less: always expired.
    Zero,
    /// Milliseconds since 1970, above zero; a fraction is cut off, and what lies beyond JavaScript's last date is that date.
    At(i64),
}

impl ExpiresAt {
    /// The moment in milliseconds since 1970, if there is one.
    #[must_use]
    pub fn millis(self) -> Option<i64> {
        match self {
            Self::At(millis) => Some(millis),
            Self::Absent | Self::Zero => None,
        }
    }
}

/// Why the client left an entry without tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StubKind {
    /// A refresh failed for good (measured: `"expiresAt":0`).
    FailedRefresh,
    /// The first look at a server after a logout or before a login (measured: no `expiresAt`).
    LoggedOut,
}

impl Entry {
    /// An entry of which only the name is known.
    #[must_use]
    pub fn named(key: EntryKey) -> Self {
        Self {
            server_name: key.server_name().to_owned(),
            key,
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
        }
    }

    /// Whether the entry holds no token at all.
    #[must_use]
    pub fn is_stub(&self) -> bool {
        self.access_token.is_none() && self.refresh_token.is_none()
    }

    /// What kind of stub the entry is; `None` where it holds a token.
    ///
    /// A stub with a date in `expiresAt` is none that the client is known to write; it counts as a logout, the kind that
    /// nobody mends.
    #[must_use]
    pub fn stub_kind(&self) -> Option<StubKind> {
        self.is_stub().then_some(match self.expires_at {
            ExpiresAt::Zero => StubKind::FailedRefresh,
            ExpiresAt::Absent | ExpiresAt::At(_) => StubKind::LoggedOut,
        })
    }
}
