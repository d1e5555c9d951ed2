use serde::{Deserialize, Serialize};
use url::Url;

/// What the metadata of an authorization server says about refreshing (RFC 8414, section 2), kept between refreshes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The issuer the metadata is of; `None` where a server publishes no metadata and the entry names no issuer.
    pub issuer: Option<String>,
    /// Where refresh tokens are presented.
    pub token_endpoint: Url,
    /// `token_endpoint_auth_methods_supported`; empty where it is not said.
    pub auth_methods: Vec<String>,
    /// Where this was learnt: the URL of the metadata, or a sentence on the convention that was used instead.
    pub source: String,
}
