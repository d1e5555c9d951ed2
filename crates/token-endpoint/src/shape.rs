use crate::Answer;
use serde::{Deserialize, Serialize};

/// Which optional parameters a server wants in a refresh request; remembered per server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestShape {
    /// Send `resource` (RFC 8707). Some servers answer 400 without it, so it is sent until one objects to it.
    pub resource: bool,
    /// Send the entry's `scope`. Not sent until a server asks for it: RFC 6749, section 6 lets it be left out.
    pub scope: bool,
}

impl Default for RequestShape {
    fn default() -> Self {
        Self { resource: true, scope: false }
    }
}

/// The shape to try after this answer; `None` if the answer is not about the shape or nothing is left to change.
///
/// `resource` is only ever taken away and `scope` only ever added, so there are at most two changes and no circle.
#[must_use]
pub fn next_shape(shape: RequestShape, answer: &Answer, has_scope: bool) -> Option<RequestShape> {
    let Answer::Refused { code, detail } = answer else { return None };
    match Complaint::of(code, detail)? {
        Complaint::Resource if shape.resource => Some(RequestShape { resource: false, ..shape }),
        Complaint::Scope if has_scope && !shape.scope => Some(RequestShape { scope: true, ..shape }),
        // Entra names the resource also where what it misses is the scope to compare it with.
        Complaint::Resource if has_scope && !shape.scope => Some(RequestShape { scope: true, ..shape }),
        Complaint::Resource | Complaint::Scope => None,
    }
}

/// What a server objects to in the shape of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// It does not take this `resource`, or none at all.
    Resource,
    /// It wants a `scope`.
    Scope,
}

impl Complaint {
    /// Reads an error's code and text (any case).
    pub(crate) fn of(code: &str, text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        // AADSTS90014 and 900144: "the required field 'scope' is missing".
        if text.contains("aadsts90014") {
            return text.contains("scope").then_some(Self::Scope);
        }
        // 9010010: the resource does not match the scopes; 90009: an application asking for itself; 901002: the
        // parameter is not supported; 500011: the resource is not known in the tenant.
        if ["aadsts9010010", "aadsts90009", "aadsts901002", "aadsts500011"]
            .iter()
            .any(|known| text.contains(known))
        {
            return Some(Self::Resource);
        }
        match code.to_lowercase().as_str() {
            "invalid_target" | "invalid_resource" => return Some(Self::Resource),
            "invalid_request" | "invalid_scope" | "unsupported_parameter" => {}
            _ => return None,
        }
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let words = || text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if words().any(|word| word == "resource")
            && says(&[
                "not supported",
                "unsupported",
                "unknown param",
                "unrecognized",
                "unexpected",
                "not allowed",
                "not permitted",
            ])
        {
            return Some(Self::Resource);
        }
        if words().any(|word| word == "scope")
            && says(&["required", "missing", "must contain", "must be provided"])
        {
            return Some(Self::Scope);
        }
        None
    }
}

#[cfg(test)]
mod tests;
