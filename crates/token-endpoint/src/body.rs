use crate::RawAnswer;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use oauth_secret::SecretBytes;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use zeroize::Zeroizing;

/// Size limit for a decompressed body: no token is larger, but a few KiB can expand to gigabytes.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// The body's text: decompressed, without byte-order mark and surrounding white space. What cannot be decoded is returned as is, so
/// that a readable part of a rotated pair is not lost.
pub(crate) fn text(answer: &RawAnswer) -> Zeroizing<String> {
    let inflated = inflate(answer);
    let bytes = inflated.as_deref().map_or(answer.body.as_slice(), Vec::as_slice);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Zeroizing::new(String::from_utf8_lossy(bytes).trim().to_owned())
}

/// The decompressed body, as far as decompression gets; `None` if it is not compressed.
fn inflate(answer: &RawAnswer) -> Option<SecretBytes> {
    let body = answer.body.as_slice();
    // Trust the magic number, not the header: servers send either without the other.
    if body.starts_with(&[0x1f, 0x8b]) {
        return Some(bounded(MultiGzDecoder::new(body)));
    }
    let named = answer.content_encoding.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    match named.as_str() {
        // Brotli has no magic number, and plain text decodes to a few odd bytes: readable text is not compressed.
        "br" if std::str::from_utf8(body).ok().and_then(Members::parse).is_none() => {
            return Some(bounded(brotli_decompressor::Decompressor::new(body, 4096)));
        }
        "deflate" => {}
        _ => return None,
    }
    // "deflate" means zlib in RFC 9110, but a raw stream to some servers.
    [bounded(ZlibDecoder::new(body)), bounded(DeflateDecoder::new(body))]
        .into_iter()
        .find(|out| !out.is_empty())
}

fn bounded(reader: impl Read) -> SecretBytes {
    let mut out = SecretBytes::with_capacity(16 * 1024);
    // When a stream breaks off, the output so far is in the buffer, and may be complete.
    drop(reader.take(LIMIT as u64).read_to_end(&mut out));
    out
}

/// The members of a JSON object as written. Values are decoded only on request: a number too large for any type or a hundred levels
/// of nesting must not cost the token next to them.
pub(crate) struct Members<'a>(HashMap<Key, &'a RawValue>);

/// A member's name. A lone surrogate, which JavaScript writes but no `String` holds, becomes U+FFFD: such a name is never looked up,
/// and must not cost the token next to it.
#[derive(PartialEq, Eq, Hash)]
struct Key(String);

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;
        impl Visitor<'_> for Lossy {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Key, E> {
                Ok(Key(String::from_utf8_lossy(name).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Lossy)
    }
}

impl<'a> Members<'a> {
    /// Parses the object at the start of the text and ignores the rest.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        HashMap::deserialize(&mut serde_json::Deserializer::from_str(text)).ok().map(Self)
    }

    /// Whether the member is present and not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw != "null")
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// A non-empty string member.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str::<String>(self.raw(name)?).ok().filter(|text| !text.is_empty())
    }

    /// An object member, or the first object of an array.
    pub(crate) fn first_object(&self, name: &str) -> Option<Members<'a>> {
        let raw = self.raw(name)?;
        Members::parse(raw).or_else(|| first_of_list(raw))
    }

    /// All strings in an array member, in order, at any depth: `["property resource should not exist"]`,
    /// `[{"loc":["body","resource"],"msg":"Field required"}]`.
    pub(crate) fn texts(&self, name: &str) -> Option<String> {
        let raw = self.raw(name).filter(|raw| raw.starts_with(['[', '{']) && raw.len() <= LONGEST_LIST)?;
        let mut texts = Vec::new();
        collect(&serde_json::from_str(raw).ok()?, &mut texts);
        Some(texts.join(" ")).filter(|text| !text.is_empty())
    }

    /// All members that are objects.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Members<'a>> {
        self.0.values().filter_map(|raw| Members::parse(raw.get()))
    }
}

/// The members of the first object of an array.
pub(crate) fn first_of_list(text: &str) -> Option<Members<'_>> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    items.iter().find_map(|item| Members::parse(item.get()))
}

/// Size limit for an array of errors, in bytes.
const LONGEST_LIST: usize = 4096;

fn collect(value: &serde_json::Value, texts: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        serde_json::Value::Object(members) => members.values().for_each(|item| collect(item, texts)),
        _ => {}
    }
}

/// Converts a form-encoded body (the default of GitHub and some older servers) to JSON.
pub(crate) fn form_as_json(text: &str) -> Option<Zeroizing<String>> {
    // A URL in a JSON response may look like a form, but a form has no unescaped brace.
    if text.starts_with('{') {
        return None;
    }
    let is_form = ["access_token=", "error="].iter().any(|start| {
        text.starts_with(start)
            || text.find(start).is_some_and(|at| text.as_bytes().get(at.wrapping_sub(1)) == Some(&b'&'))
    });
    if !is_form || text.contains(char::is_whitespace) {
        return None;
    }
    let members: HashMap<_, _> = url::form_urlencoded::parse(text.as_bytes()).collect();
    serde_json::to_string(&members).ok().map(Zeroizing::new)
}

/// Whether a body is an HTML page.
pub(crate) fn is_page(answer: &RawAnswer, text: &str) -> bool {
    text.starts_with('<')
        || answer.content_type.as_deref().is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
}
