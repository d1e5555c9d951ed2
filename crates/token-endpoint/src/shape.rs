use crate::Answer;
use serde::{Deserialize, Serialize};

/// Which optional parameters a server expects in a refresh request; remembered per server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestShape {
    /// Send `resource` (RFC 8707). Some servers answer 400 without it, so it is sent until the server objects.
    pub resource: bool,
    /// Send the server's own URL as `resource` even if its metadata names another one: the client's login sends the latter, its refresh
    /// at connect the former (measured, 2.1.332).
    pub own_url: bool,
    /// Send the entry's `scope`. Omitted until the server asks for it: RFC 6749, section 6 makes it optional.
    pub scope: bool,
}

impl Default for RequestShape {
    fn default() -> Self {
        Self { resource: true, own_url: false, scope: false }
    }
}

/// The shape that a refusal asks for, depending on whether the metadata names another `resource` than the server's URL; `None` if the
/// response does not mention the shape, or no change is left.
///
/// A refused shape does not prove that the refresh token is still valid: oidc-provider 9.13.3 rotates first and checks `resource`
/// afterwards, @node-oauth/oauth2-server 5.3.0 consumes the token on `invalid_scope` (measured). The caller decides when to send the
/// other shape.
#[must_use]
pub fn next_shape(
    shape: RequestShape,
    answer: &Answer,
    has_scope: bool,
    names_another: bool,
) -> Option<RequestShape> {
    let Answer::Refused { code, detail } = answer else { return None };
    match Complaint::of(code, detail)? {
        Complaint::Resource | Complaint::NoResource if shape.resource && names_another && !shape.own_url => {
            Some(RequestShape { own_url: true, ..shape })
        }
        Complaint::Resource if shape.resource => Some(RequestShape { resource: false, ..shape }),
        Complaint::NoResource if !shape.resource => Some(RequestShape { resource: true, ..shape }),
        Complaint::ScopeTaken if shape.scope => Some(RequestShape { scope: false, ..shape }),
        Complaint::Scope if has_scope && !shape.scope => Some(RequestShape { scope: true, ..shape }),
        // Entra mentions the resource even if it misses the scope to compare it with.
        Complaint::Resource if has_scope && !shape.scope => Some(RequestShape { scope: true, ..shape }),
        _ => None,
    }
}

/// The shape to try after a refusal that says only that the request is invalid: with `resource` if it was omitted, without it if it was
/// sent. Only a guess, for a token that is otherwise unusable.
#[must_use]
pub fn guessed_shape(shape: RequestShape, answer: &Answer) -> Option<RequestShape> {
    let Answer::Refused { code, detail } = answer else { return None };
    let vague = matches!(
        code.to_lowercase().as_str(),
        "invalid_request" | "invalid_scope" | "bad request" | "http_400" | "http_422"
    );
    (vague && Complaint::of(code, detail).is_none())
        .then_some(RequestShape { resource: !shape.resource, ..shape })
}

/// Whether the refresh token may be spent despite the refusal: if the refusal is about `resource` or `scope`, which some servers check
/// after rotating.
#[must_use]
pub fn may_have_spent(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { code, detail }
        if code.eq_ignore_ascii_case("invalid_scope") || Complaint::of(code, detail).is_some())
}

/// What a server objects to in a request's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// It rejects this `resource`, or any.
    Resource,
    /// It requires a `resource`.
    NoResource,
    /// It requires a `scope`.
    Scope,
    /// It rejects this `scope`.
    ScopeTaken,
}

/// Codes with a meaning of their own, whatever their text mentions.
const OF_OTHER_THINGS: &[&str] = &[
    "invalid_grant",
    "invalid_client",
    "unauthorized_client",
    "access_denied",
    "unsupported_grant_type",
    "server_error",
    "temporarily_unavailable",
];

/// Entra on `resource`: 9010010: it does not match the scopes; 90009: an application requests a token for itself; 901002: the parameter
/// is not supported; 500011: it is unknown in the tenant.
const ENTRA: &[&str] = &["aadsts9010010", "aadsts90009", "aadsts901002", "aadsts500011"];

/// How frameworks reject an unknown parameter: Entra, class-validator ("property resource should not exist"), pydantic ("Extra inputs
/// are not permitted"), Ajv ("must NOT have additional properties"), zod ("Unrecognized key"), Go's form decoders ("unknown field").
const OBJECTS: &[&str] = &[
    "not supported",
    "unsupported",
    "isn't supported",
    "unknown",
    "unrecognized",
    "not recognized",
    "unexpected",
    "not allowed",
    "not permitted",
    "should not exist",
    "additional propert",
    "extra ",
    "extra_forbidden",
    "invalid",
    "does not match",
    "doesn't match",
    "mismatch",
];

/// How they ask for one.
const WANTS: &[&str] = &["required", "missing", "must contain", "must be provided", "must be present"];

impl Complaint {
    /// Classifies an error's code and text (any case).
    pub(crate) fn of(code: &str, text: &str) -> Option<Self> {
        let (code, text) = (code.to_lowercase(), text.to_lowercase());
        // AADSTS90014 and 900144: "the required field 'scope' is missing".
        if text.contains("aadsts90014") {
            return text.contains("scope").then_some(Self::Scope);
        }
        if ENTRA.iter().any(|known| text.contains(known)) {
            return Some(Self::Resource);
        }
        let of_resource = matches!(code.as_str(), "invalid_target" | "invalid_resource");
        if of_resource && OBJECTS.iter().chain(WANTS).all(|word| !text.contains(word)) {
            return Some(Self::Resource);
        }
        if OF_OTHER_THINGS.contains(&code.as_str()) {
            return None;
        }
        let text = text.replace("resource owner", "").replace("resource server", "");
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let names = |name: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name)
        };
        // If both are mentioned ("invalid, unknown, missing, or malformed": RFC 8707, section 2), what was sent is wrong.
        if names("resource") && says(OBJECTS) {
            return Some(Self::Resource);
        }
        if names("resource") && says(WANTS) {
            return Some(Self::NoResource);
        }
        if names("scope") && says(WANTS) && !text.contains("invalid, unknown") {
            return Some(Self::Scope);
        }
        if of_resource {
            return Some(Self::Resource);
        }
        (code == "invalid_scope").then_some(Self::ScopeTaken)
    }
}

#[cfg(test)]
mod tests;
