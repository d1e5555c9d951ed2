use crate::EntryKey;
use oauth_secret::{AccessToken, ClientSecret, RefreshToken};

/// One MCP server's grant as stored by the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry's key in the document.
    pub key: EntryKey,
    /// The server's display name; taken from the key if the entry does not state it.
    pub server_name: String,
    /// The MCP server's URL (the `resource` of RFC 8707).
    pub server_url: Option<String>,
    /// `None` when absent, null or empty.
    pub access_token: Option<AccessToken>,
    /// `None` when absent, null or empty.
    pub refresh_token: Option<RefreshToken>,
    /// When the access token expires.
    pub expires_at: ExpiresAt,
    /// The OAuth client that holds the grant.
    pub client_id: Option<String>,
    /// The entry's own secret, or the one under the same key in `mcpOAuthClientConfig`.
    pub client_secret: Option<ClientSecret>,
    /// The authorization server's issuer identifier (RFC 8414).
    pub issuer: Option<String>,
    /// The redirect URI of the login.
    pub redirect_uri: Option<String>,
    /// The granted scope; may be empty.
    pub scope: Option<String>,
    /// What the client discovered about the authorization server.
    pub discovery: DiscoveryState,
}

/// The entry's `discoveryState`. Older clients write none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryState {
    /// The authorization server's URL.
    pub authorization_server_url: Option<String>,
    /// Whether the client found the authorization server's metadata at login.
    pub oauth_metadata_found: Option<bool>,
    /// The configured location of the authorization server's metadata.
    pub auth_server_metadata_url: Option<String>,
    /// The location of the protected resource's metadata (RFC 9728).
    pub resource_metadata_url: Option<String>,
    /// When the server last rejected a request without a token; milliseconds since 1970.
    pub tokenless_rejected_at: Option<i64>,
}

/// The entry's `expiresAt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiresAt {
    /// Absent or null: the client assumes that the token does not expire.
    Absent,
    /// Zero or less: always expired.
    Zero,
    /// Milliseconds since 1970, above zero. Fractions are dropped; later dates are clamped to JavaScript's last date.
    At(i64),
}

impl ExpiresAt {
    /// The time in milliseconds since 1970, if there is one.
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
    /// The first contact with a server after a logout or before a login (measured: no `expiresAt`).
    LoggedOut,
}

impl Entry {
    /// An entry of which only the key is known.
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

    /// The kind of stub; `None` if the entry holds a token.
    ///
    /// The client is not known to write a stub with a date in `expiresAt`. It counts as a logout, the kind that is never healed.
    #[must_use]
    pub fn stub_kind(&self) -> Option<StubKind> {
        self.is_stub().then_some(match self.expires_at {
            ExpiresAt::Zero => StubKind::FailedRefresh,
            ExpiresAt::Absent | ExpiresAt::At(_) => StubKind::LoggedOut,
        })
    }
}
