use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The form of a token response: the oddities that are met in the field. The default is RFC 6749, section 5.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Another status for a success (201, 203 …).
    pub status: Option<u16>,
    /// Another `Content-Type`; empty: none.
    pub content_type: Option<String>,
    /// Starts with a byte-order mark.
    pub bom: bool,
    /// Compressed, asked for or not.
    pub gzip: bool,
    /// Compressed by `deflate` (zlib, RFC 1950), asked for or not.
    pub deflate: bool,
    /// Whether `token_type` is there.
    pub token_type: bool,
    /// How `expires_in` is given.
    pub expires_in: ExpiresIn,
    /// How `scope` is given.
    pub scope: ScopeForm,
    /// How `refresh_token` is given.
    pub refresh_token: RefreshTokenForm,
    /// Further members; they replace one of the same name.
    pub extra: Map<String, Value>,
    /// Bytes of padding in a further member, to exceed a limit with valid JSON.
    pub padding: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            status: None,
            content_type: None,
            bom: false,
            gzip: false,
            deflate: false,
            token_type: true,
            expires_in: ExpiresIn::Number,
            scope: ScopeForm::Text,
            refresh_token: RefreshTokenForm::Present,
            extra: Map::new(),
            padding: 0,
        }
    }
}

/// How `expires_in` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiresIn {
    /// A number of seconds.
    #[default]
    Number,
    /// The number as a string.
    Text,
    /// The number with a fraction (`.5`).
    Float,
    /// Not at all.
    Absent,
    /// This value, whatever the token's life is: 0, -1, 1e400 cannot be written here, but absurd numbers and `null` can.
    Exactly(Value),
}

/// How `scope` is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeForm {
    /// Names with blanks between them.
    #[default]
    Text,
    /// An array of names.
    Array,
    /// `""`.
    Empty,
    /// Not at all.
    Absent,
}

/// How `refresh_token` is given. Anything but [`Present`](Self::Present) tells the client to keep the old one, so the server
/// does not rotate then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshTokenForm {
    /// As a string.
    #[default]
    Present,
    /// Not at all.
    Absent,
    /// `null`.
    Null,
    /// `""`.
    Empty,
}
