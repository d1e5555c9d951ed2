//! A search for tokens in whatever form they may have come out: as they are, in JSON, in a URL, in base64, in hex.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;

/// So much of a token's end tells which one it is: the server's end in sixteen hex digits of chance.
const TELLING: usize = 8;

/// What to look for.
pub(crate) struct Needles {
    parts: BTreeSet<String>,
}

impl Needles {
    pub(crate) fn of<'a>(tokens: impl IntoIterator<Item = &'a String>) -> Self {
        // The beginnings of every token that the server makes.
        let mut parts: BTreeSet<_> = ["rt_0", "at_0", "cs_0"].map(str::to_owned).into();
        for token in tokens {
            assert!(token.is_ascii() && token.len() >= TELLING, "{token} tells too little");
            let tail = &token[token.len() - TELLING..];
            parts.insert(tail.to_owned());
            parts.insert(serde_json::Value::from(tail).to_string().trim_matches('"').to_owned());
            parts.insert(format!("{tail:?}").trim_matches('"').to_owned());
            parts.insert(url::form_urlencoded::byte_serialize(tail.as_bytes()).collect());
            let each = |form: fn(u8) -> String| tail.bytes().map(form).collect::<String>();
            parts.extend([
                each(|byte| format!("%{byte:02x}")),
                each(|byte| format!("%{byte:02X}")),
                each(|byte| format!("{byte:02x}")),
                each(|byte| format!("{byte:02X}")),
                each(|byte| format!("{byte:02x} ")),
                // As a `Vec<u8>` shows itself.
                each(|byte| format!("{byte}, ")).trim_end_matches(", ").to_owned(),
            ]);
            parts.extend(in_base64(token));
        }
        Self { parts }
    }

    /// What of a token is in these bytes.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        let text = String::from_utf8_lossy(bytes);
        self.parts.iter().find(|part| text.contains(*part)).map(String::as_str)
    }
}

/// The end of a token in base64, wherever in a longer text it begins: the first characters and the last depend on what stands beside it.
fn in_base64(token: &str) -> Vec<String> {
    let tail = &token[token.len().saturating_sub(2 * TELLING)..];
    let mut forms = Vec::new();
    for before in ["", "x", "xx"] {
        let text = format!("{before}{tail}");
        let whole = text.len() / 3 * 4;
        let skipped = if before.is_empty() { 0 } else { 4 };
        for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            forms.push(encoded[skipped..whole].to_owned());
        }
    }
    forms
}

/// Every form is found, inside of other text, too.
pub(crate) fn assert_every_form_is_found() {
    let token = r#"rt_very/long+and"odd\1f0a2b%c"#.to_owned();
    let needles = Needles::of([&token]);
    let beside = format!("user:{token}:more");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut forms = vec![
        token.clone(),
        format!("{token:?}"),
        format!("{:?}", token.as_bytes()),
        serde_json::json!({ "token": token }).to_string(),
        url::form_urlencoded::byte_serialize(token.as_bytes()).collect(),
        hex(&token),
        hex(&beside).to_uppercase(),
    ];
    for text in [&token, &beside, &format!("a{beside}"), &format!("ab{beside}")] {
        forms.extend([STANDARD_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(text)]);
    }
    for form in forms {
        let text = format!("before {form} after");
        assert!(needles.found_in(text.as_bytes()).is_some(), "not found: {form}");
    }
    assert_eq!(needles.found_in(b"rt_very, and nothing else of it; refreshed 5a105e8b"), None);
}
