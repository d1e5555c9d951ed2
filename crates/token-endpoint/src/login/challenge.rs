use crate::probe::{INITIALIZE, allowed};
use crate::{Http, SendError};
use http::{HeaderValue, Method, header};

/// What an MCP server says to a request without a token (RFC 6750, section 3; RFC 9728, section 5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where its protected-resource metadata is.
    pub resource_metadata: Option<String>,
    /// The scope that it asks for.
    pub scope: Option<String>,
}

impl Challenge {
    /// Reads a `WWW-Authenticate` header. Anything else than a Bearer challenge says nothing.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let mut found = Self::default();
        let start = header.to_ascii_lowercase().find("bearer");
        let Some(mut rest) = start.and_then(|start| header.get(start + "bearer".len()..)) else {
            return found;
        };
        while let Some((name, value, left)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "resource_metadata" => found.resource_metadata.get_or_insert(value),
                "scope" => found.scope.get_or_insert(value),
                _ => &mut String::new(),
            };
            rest = left;
        }
        found.scope = found.scope.filter(|scope| !scope.trim().is_empty());
        found
    }
}

/// The next parameter, and the text behind it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (before, after) = text.split_once('=')?;
    // A name ends the words before it: `Bearer realm=…, scope=…`.
    let name = before.trim_end().rsplit([' ', ',', '\t']).next().unwrap_or_default();
    let after = after.trim_start();
    let Some(quoted) = after.strip_prefix('"') else {
        let end = after.find([',', ' ']).unwrap_or(after.len());
        let (value, left) = after.split_at(end);
        return Some((name, value.to_owned(), left));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((name, value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    // The quote does not end.
    None
}

impl Http {
    /// Asks the MCP server without a token, and returns its challenge; an empty one if it answers anything but 401.
    ///
    /// # Errors
    /// There is no response, or the URL may not be requested (https, or http to this machine).
    pub async fn challenge(&self, server_url: &str) -> Result<Challenge, SendError> {
        let mut request = reqwest::Request::new(Method::POST, allowed(server_url, server_url)?);
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        *request.body_mut() = Some(INITIALIZE.into());
        let answer = self.begin(request).await?;
        if answer.status() != http::StatusCode::UNAUTHORIZED {
            return Ok(Challenge::default());
        }
        let values = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let challenges = values.iter().filter_map(|value| value.to_str().ok()).map(Challenge::parse);
        Ok(challenges.into_iter().find(|found| *found != Challenge::default()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_the_metadata_and_the_scope() {
        let found = Challenge::parse(
            r#"Bearer realm="a, \"b\"", error="invalid_token", resource_metadata="https://m.example/.well-known/x", scope="read write""#,
        );
        assert_eq!(found.resource_metadata.as_deref(), Some("https://m.example/.well-known/x"));
        assert_eq!(found.scope.as_deref(), Some("read write"));
        assert_eq!(Challenge::parse("bearer scope=read").scope.as_deref(), Some("read"));
        for nothing in ["", "Basic realm=\"x\"", "Bearer", "Bearer scope=\"", "Bearer scope=\"\"", "Bearer ="]
        {
            assert_eq!(Challenge::parse(nothing), Challenge::default(), "{nothing}");
        }
    }
}
