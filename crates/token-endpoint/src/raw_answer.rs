use base64::{Engine as _, engine::general_purpose::STANDARD};
use oauth_secret::SecretBytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use zeroize::Zeroizing;

/// A complete, uninterpreted response, as stored in the journal.
///
/// Its body may hold the only copy of a rotated refresh token. `Debug` shows only the body's length.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "an answer may hold the only copy of a rotated refresh token"]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Encoding`; the body stays encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Retry-After` (RFC 9110, section 10.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// `Date`: the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// `Location`: the target of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The body, byte for byte.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub body: SecretBytes,
}

impl RawAnswer {
    /// A response with this status and body, without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: None,
            content_encoding: None,
            retry_after: None,
            date: None,
            location: None,
            body: SecretBytes::from(body.into()),
        }
    }

    /// Serializes the response for a journal: one line of JSON without a line break, the body in base64.
    ///
    /// # Errors
    /// None in practice: every field can be serialized.
    pub fn to_bytes(&self) -> Result<SecretBytes, RawAnswerError> {
        // Base64 turns three bytes into four; the rest is short.
        let mut bytes = SecretBytes::with_capacity(self.body.len() / 3 * 4 + 2048);
        serde_json::to_writer(&mut *bytes, self).map(|()| bytes).map_err(|_| RawAnswerError)
    }

    /// Parses the output of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// The bytes are not the output of `to_bytes`. The error does not quote them: they may contain tokens.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RawAnswerError> {
        serde_json::from_slice(bytes).map_err(|_| RawAnswerError)
    }
}

impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type.as_deref().map(crate::cleaned::cleaned))
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A stored response cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored response of a token endpoint is damaged")]
pub struct RawAnswerError;

fn to_base64<S: Serializer>(body: &SecretBytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(STANDARD.encode(body.as_slice())))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretBytes, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    STANDARD
        .decode(text.as_bytes())
        .map(SecretBytes::from)
        .map_err(|_| de::Error::custom("the body is not valid base64"))
}
