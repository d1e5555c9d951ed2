/// What is known about a server before any request: the clues that [`discover`](crate::discover) follows, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerHints {
    /// The MCP server's own URL, the `resource` of RFC 8707.
    pub server_url: String,
    /// The entry's `issuer`. If it is known, metadata of other issuers is rejected.
    pub issuer: Option<String>,
    /// `discoveryState.authorizationServerUrl` of the entry.
    pub authorization_server_url: Option<String>,
    /// `discoveryState.oauthMetadataFound` of the entry: `false` if the client found no metadata at login.
    pub metadata_found: Option<bool>,
    /// `oauth.authServerMetadataUrl` of the user's server configuration, else `discoveryState.authServerMetadataUrl`.
    pub auth_server_metadata_url: Option<String>,
    /// `discoveryState.resourceMetadataUrl` of the entry (RFC 9728).
    pub resource_metadata_url: Option<String>,
}
