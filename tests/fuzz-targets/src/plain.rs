//! A minimal JSON reader, character by character. It shares nothing with the reader under test except the check whether
//! a text is JSON at all.

use serde::de::IgnoredAny;
use std::ops::Range;

/// One member of an object.
pub(crate) struct Member {
    /// The decoded key; `None` if it contains half a surrogate pair.
    pub(crate) key: Option<String>,
    /// From the key's first quote to the value's end.
    pub(crate) whole: Range<usize>,
    pub(crate) value: Range<usize>,
}

impl Member {
    pub(crate) fn is(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key)
    }
}

/// Whether a name could be read from more than one key: half a surrogate pair is read as U+FFFD.
pub(crate) fn is_blurred(name: &str) -> bool {
    name.contains('\u{fffd}')
}

/// Whether the text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The members of a JSON object in their order; `None` if the text is anything else.
pub(crate) fn members(text: &str) -> Option<Vec<Member>> {
    if !is_json(text) {
        return None;
    }
    let bytes = text.as_bytes();
    let mut at = after_space(bytes, 0);
    if bytes[at] != b'{' {
        return None;
    }
    let mut members = Vec::new();
    at = after_space(bytes, at + 1);
    while bytes[at] != b'}' {
        let start = at;
        let key_end = end_of_string(bytes, at);
        let colon = after_space(bytes, key_end);
        let value = after_space(bytes, colon + 1);
        let end = end_of_value(bytes, value);
        members.push(Member { key: string(&text[start..key_end]), whole: start..end, value: value..end });
        at = after_space(bytes, end);
        if bytes[at] == b',' {
            at = after_space(bytes, at + 1);
        }
    }
    Some(members)
}

/// The value of the last member with this key, as JavaScript reads it.
pub(crate) fn last<'t>(text: &'t str, members: &[Member], key: &str) -> Option<&'t str> {
    members.iter().rev().find(|member| member.is(key)).map(|member| &text[member.value.clone()])
}

/// The decoded JSON string; `None` if it is not a string, or not valid Unicode.
pub(crate) fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match bytes[at] {
            b'"' => {
                at = end_of_string(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_with_their_places() {
        let text = r#" {"a" : [1,"}"] , "\u0062":"\"" ,"c":{"d":1},"e":1e400 } "#;
        let found = members(text).unwrap();
        let values: Vec<_> = found.iter().map(|member| &text[member.value.clone()]).collect();
        assert_eq!(values, [r#"[1,"}"]"#, r#""\"""#, r#"{"d":1}"#, "1e400"]);
        assert!(found[1].is("b") && last(text, &found, "e") == Some("1e400"));
        assert_eq!(&text[found[0].whole.clone()], r#""a" : [1,"}"]"#);
        assert!(members("[1]").is_none() && members("{").is_none() && members("{}").unwrap().is_empty());
    }
}
