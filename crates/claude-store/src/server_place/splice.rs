//! Where a server stands in the text of a configuration, and that text with or without the server's helper: pure functions.

use super::error::ConfigError;
use super::place::{HELPER, Place, Scope};
use crate::json::{Object, decode_string, offset_in, range_with_comma, span_in};
use oauth_secret::SecretBytes;
use std::path::Path;

pub(super) fn text<'a>(file: &Path, bytes: &'a [u8]) -> Result<&'a str, ConfigError> {
    std::str::from_utf8(bytes).map_err(|_| odd(file, "it is not UTF-8".to_owned()))
}

pub(super) fn root<'a>(file: &Path, text: &'a str) -> Result<Object<'a>, ConfigError> {
    // The error holds a position, and nothing of the content.
    Object::parse(text).map_err(|error| odd(file, format!("line {}: no JSON object", error.line())))
}

/// The raw value of a member; the last one if the name repeats, as the client reads it.
pub(super) fn member<'a>(object: &Object<'a>, name: &str) -> Option<&'a str> {
    object.members.iter().rev().find(|member| member.key == name).map(|member| member.value)
}

/// The configuration of a server in an `mcpServers` object.
pub(super) fn server<'a>(servers: &'a str, name: &str) -> Option<Object<'a>> {
    Object::parse(member(&Object::parse(servers).ok()?, name)?).ok()
}

/// The text with the helper set; `None` if it is set already.
pub(super) fn with_helper(
    text: &str,
    place: &Place,
    name: &str,
    command: &str,
) -> Result<Option<SecretBytes>, ConfigError> {
    let server = located(text, place, name)?;
    if let Some(there) = member(&server, HELPER) {
        return if is(there, command) {
            Ok(None)
        } else {
            Err(ConfigError::OtherHelper { path: place.file.clone(), name: name.to_owned() })
        };
    }
    let (at, first) = (server.end_of_members(text), server.members.first());
    // In the manner of the first member: its indentation, and the space after its colon.
    let gap = first.map(|first| text.get(offset_in(text, server.raw) + 1..offset_in(text, first.raw_key)));
    let colon = first.map(|first| text.get(span_in(text, first.raw_key).end..offset_in(text, first.value)));
    let comma = if first.is_some() { "," } else { "" };
    let mut new =
        format!("{comma}{}\"{HELPER}\"{}", gap.flatten().unwrap_or(""), colon.flatten().unwrap_or(":"));
    new.push_str(&serde_json::to_string(command).map_err(|error| odd(&place.file, error.to_string()))?);
    Ok(Some(spliced(text, at..at, &new)))
}

/// The text without the helper; `None` if it has none, or another one.
pub(super) fn without_helper(
    text: &str,
    place: &Place,
    name: &str,
    command: &str,
) -> Result<Option<SecretBytes>, ConfigError> {
    let server = located(text, place, name)?;
    let number = server.members.iter().rposition(|member| member.key == HELPER && is(member.value, command));
    let range = number.and_then(|number| range_with_comma(text, &server, number));
    Ok(range.map(|range| spliced(text, range, "")))
}

fn is(raw: &str, command: &str) -> bool {
    decode_string(raw).is_some_and(|there| there == command)
}

fn located<'a>(text: &'a str, place: &Place, name: &str) -> Result<Object<'a>, ConfigError> {
    let root = root(&place.file, text)?;
    let servers = match &place.scope {
        Scope::User | Scope::Project { .. } => member(&root, "mcpServers"),
        Scope::Local { project } => {
            let project = member(&root, "projects")
                .and_then(|projects| member(&Object::parse(projects).ok()?, project));
            project.and_then(|project| member(&Object::parse(project).ok()?, "mcpServers"))
        }
    };
    let server = servers.and_then(|servers| server(servers, name));
    server.ok_or_else(|| ConfigError::NotThere { path: place.file.clone(), name: name.to_owned() })
}

fn spliced(text: &str, range: std::ops::Range<usize>, new: &str) -> SecretBytes {
    let mut bytes = SecretBytes::with_capacity(text.len() + new.len());
    bytes.extend_from_slice(text.as_bytes().get(..range.start).unwrap_or_default());
    bytes.extend_from_slice(new.as_bytes());
    bytes.extend_from_slice(text.as_bytes().get(range.end..).unwrap_or_default());
    bytes
}

fn odd(file: &Path, why: String) -> ConfigError {
    ConfigError::Odd { path: file.to_owned(), why }
}
