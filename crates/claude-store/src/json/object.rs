use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// One member of an object, borrowed from the document's text.
pub(crate) struct Member<'a> {
    /// The key as written, quotes included.
    pub(crate) raw_key: &'a str,
    /// The decoded key.
    pub(crate) key: Cow<'a, str>,
    /// The value as written.
    pub(crate) value: &'a str,
    /// The value's text, where it was found to be a string without escapes.
    pub(crate) plain: Option<&'a str>,
}

/// An object with its members in source order. Keys may repeat.
pub(crate) struct Object<'a> {
    /// The raw text, braces included.
    pub(crate) raw: &'a str,
    pub(crate) members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// Parses an object of any depth; values are skipped, not decoded.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let members = json.deserialize_map(InOrder::default())?;
        json.end()?;
        Ok(Self { raw: text.trim_ascii(), members })
    }

    /// Where to insert a new last member in `text`, from which this object was parsed.
    pub(crate) fn end_of_members(&self, text: &str) -> usize {
        // In an empty object only the opening brace precedes the insertion point.
        let start = offset_in(text, self.raw);
        self.members.last().map_or(start + 1, |last| span_in(text, last.value).end)
    }
}

/// The offset of `part` in `text`, from which it was borrowed.
pub(crate) fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize)
}

/// The range of `part` in `text`, from which it was borrowed.
pub(crate) fn span_in(text: &str, part: &str) -> Range<usize> {
    let start = offset_in(text, part);
    start..start + part.len()
}

/// The range of one member, including exactly one comma if there is one.
pub(crate) fn range_with_comma(text: &str, object: &Object<'_>, number: usize) -> Option<Range<usize>> {
    let member = object.members.get(number)?;
    let start = offset_in(text, member.raw_key);
    let end = span_in(text, member.value).end;
    if let Some(next) = object.members.get(number + 1) {
        return Some(start..offset_in(text, next.raw_key));
    }
    let before = number.checked_sub(1).and_then(|number| object.members.get(number));
    Some(before.map_or(start, |before| span_in(text, before.value).end)..end)
}

/// The kind of a raw JSON value; never its content.
pub(crate) fn describe(raw: &str) -> &'static str {
    match raw.trim_ascii_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "nothing",
    }
}

/// Collects an object's members in order.
#[derive(Default)]
pub(crate) struct InOrder<'a>(std::marker::PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for InOrder<'a> {
    type Value = Vec<Member<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((raw_key, value)) = map.next_entry::<&'a RawValue, &'a RawValue>()? {
            let raw_key = raw_key.get();
            let key = decode_string(raw_key).ok_or_else(|| A::Error::custom("a key"))?;
            members.push(Member { raw_key, key, value: value.get(), plain: None });
        }
        Ok(members)
    }
}

/// Decodes a raw JSON string. A lone surrogate, legal in JavaScript but not in Rust, becomes U+FFFD, so that one odd key does not
/// make the whole document unreadable.
pub(crate) fn decode_string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return Some(Cow::Owned(text));
    }
    // serde_json decodes a lone surrogate into three bytes that are not valid UTF-8.
    let bytes: Bytes = serde_json::from_str(raw).ok()?;
    Some(Cow::Owned(String::from_utf8_lossy(&bytes.0).into_owned()))
}

/// A JSON string as bytes, lone surrogates included.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Any)
    }
}
