//! I4 and I5, byte by byte: what a write of the daemon may change.

use crate::entry::key;
use crate::server::parts;
use crate::watch::mask;
use serde_json::Value;

/// A document, with the values that a refresh may change taken out.
struct Marked {
    outside: Vec<u8>,
    refresh: Option<String>,
    expires: bool,
    found: bool,
}

/// What is wrong with the step from one document to the other.
pub(crate) fn complaint(old: &[u8], new: &[u8]) -> Option<String> {
    let (before, after) = (marked(old), marked(new));
    if before.refresh.is_none() && !before.expires && after.refresh.is_some() {
        return Some("I5: the entry was removed and is back".to_owned());
    }
    let generation = |marked: &Marked| parts(marked.refresh.as_deref()?);
    if let (Some(was), Some(is)) = (generation(&before), generation(&after))
        && is < was
    {
        return Some(format!("I4: the entry went back from {was:?} to {is:?}"));
    }
    if before.outside == after.outside {
        return None;
    }
    // A member that came or went is what a repaired stub, or an answer without a lifetime, makes.
    let (Ok(mut was), Ok(mut is)) =
        (serde_json::from_slice::<Value>(old), serde_json::from_slice::<Value>(new))
    else {
        return Some("I4: one of the documents is none".to_owned());
    };
    mask(&mut was);
    mask(&mut is);
    let members = before.refresh.is_none() || before.expires != after.expires;
    if was == is && members && before.found {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(format!("I4: more than tokens changed: {} became {}", text(old), text(new)))
}

fn marked(text: &[u8]) -> Marked {
    let mut marked =
        Marked { outside: Vec::with_capacity(text.len()), refresh: None, expires: false, found: false };
    let name = format!("\"{}\"", key(0));
    let Some(at) = text.windows(name.len()).position(|window| window == name.as_bytes()) else {
        marked.outside.extend_from_slice(text);
        return marked;
    };
    marked.found = true;
    let begin = at + name.len();
    marked.outside.extend_from_slice(&text[..begin]);
    let (mut depth, mut place) = (0_u32, begin);
    let mut member: Option<&[u8]> = None;
    while place < text.len() {
        let end = token_end(text, place);
        let token = &text[place..end];
        let first = token[0];
        let mut shown = token;
        match first {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => member = None,
            b':' | b',' => {}
            _ if first.is_ascii_whitespace() => {}
            _ if depth == 1 && member.is_none() => member = Some(token),
            _ if depth == 1 => {
                let inner = |token: &[u8]| String::from_utf8_lossy(token).trim_matches('"').to_owned();
                match member {
                    Some(b"\"refreshToken\"") => {
                        marked.refresh = Some(inner(token));
                        shown = b"?";
                    }
                    Some(b"\"expiresAt\"") => {
                        marked.expires = true;
                        shown = b"?";
                    }
                    Some(b"\"accessToken\"" | b"\"scope\"") => shown = b"?",
                    _ => {}
                }
            }
            _ => {}
        }
        marked.outside.extend_from_slice(shown);
        place = end;
        if depth == 0 && first == b'}' {
            break;
        }
    }
    marked.outside.extend_from_slice(&text[place.min(text.len())..]);
    marked
}

/// Where the JSON token that begins here ends.
fn token_end(text: &[u8], from: usize) -> usize {
    let rest = &text[from..];
    let first = rest[0];
    let of = |what: fn(u8) -> bool| from + rest.iter().take_while(|byte| what(**byte)).count();
    match first {
        b'"' => {
            let mut escaped = false;
            for (number, byte) in rest.iter().enumerate().skip(1) {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => return from + number + 1,
                    _ => {}
                }
            }
            text.len()
        }
        b'{' | b'}' | b'[' | b']' | b':' | b',' => from + 1,
        _ if first.is_ascii_whitespace() => of(|byte| byte.is_ascii_whitespace()),
        _ => of(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)).max(from + 1),
    }
}
