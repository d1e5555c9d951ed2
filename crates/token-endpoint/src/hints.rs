/// What is known of a server before anything is asked: the clues that [`discover`](crate::discover) follows, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHints {
    /// The MCP server's own URL, the `resource` of RFC 8707.
    pub server_url: String,
    /// The entry's `issuer`: where it is known, no metadata of another issuer is believed.
    pub issuer: Option<String>,
    /// `discoveryState.authorizationServerUrl` of the entry.
    pub authorization_server_url: Option<String>,
    /// `discoveryState.oauthMetadataFound` of the entry: `false` where the client found no metadata at the login.
    pub metadata_found: Option<bool>,
    /// `oauth.authServerMetadataUrl` of the user's server configuration, else `discoveryState.authServerMetadataUrl`.
    pub auth_server_metadata_url: Option<String>,
    /// `discoveryState.resourceMetadataUrl` of the entry (RFC 9728).
    pub resource_metadata_url: Option<String>,
}
