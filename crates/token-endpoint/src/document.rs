use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The relevant members of both kinds of metadata; all others may have any type.
#[derive(Deserialize)]
pub(crate) struct Document {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) issuer: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) token_endpoint: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) grant_types_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) scopes_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) resource: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) authorization_servers: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) authorization_endpoint: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) registration_endpoint: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) authorization_response_iss_parameter_supported: Option<bool>,
}

/// A member of the wrong type counts as absent.
fn lenient<'de, D: serde::Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}
