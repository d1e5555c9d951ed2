//! A split document in the client's format (2.1.332), implemented again for tests, from the client's side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

type Members = BTreeMap<String, Box<RawValue>>;

const NONCE: usize = 12;

/// Splits a document: the entries with these keys go to the second item. Returns the texts of both.
///
/// # Panics
/// The text is not a document.
#[must_use]
pub fn divided(document: &str, moved: &[&str], slot: &str) -> (String, String) {
    let mut main: Members = parsed(document);
    let mut sections = BTreeMap::new();
    for name in ["mcpOAuth", "mcpOAuthClientConfig"] {
        let Some(raw) = main.get(name) else { continue };
        let (there, here): (Members, Members) =
            parsed::<Members>(raw.get()).into_iter().partition(|(key, _)| moved.contains(&key.as_str()));
        main.insert(name.to_owned(), raw_value(&here));
        if !there.is_empty() {
            sections.insert(name.to_owned(), raw_value(&there));
        }
    }
    let mut key = [0; 32];
    assert!(SystemRandom::new().fill(&mut key).is_ok(), "the system gives random numbers");
    let pointer = serde_json::json!({"slot": slot, "key": STANDARD.encode(key)});
    main.insert("keychainOverflow".to_owned(), raw_value(&pointer));
    (text(&main), sealed(&text(&sections), &key))
}

/// What the client makes of both items; `None` if they do not fit together.
#[must_use]
pub fn merged(main: &str, sealed: &str) -> Option<String> {
    let mut main: Members = serde_json::from_str(main).ok()?;
    let pointer: serde_json::Value = serde_json::from_str(main.remove("keychainOverflow")?.get()).ok()?;
    let key = STANDARD.decode(pointer.get("key")?.as_str()?).ok()?;
    let mut bytes = STANDARD.decode(sealed.trim()).ok()?;
    let (nonce, rest) = bytes.split_first_chunk_mut::<NONCE>()?;
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?);
    let opened = cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), rest).ok()?;
    let sections: Members = serde_json::from_slice(opened).ok()?;
    for (name, there) in sections {
        let mut all: Members = serde_json::from_str(there.get()).ok()?;
        let here: Members =
            main.get(&name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        for (key, entry) in here {
            let token = serde_json::from_str::<Members>(entry.get())
                .ok()
                .and_then(|mut entry| entry.remove("accessToken"));
            let counts = name != "mcpOAuth" || token.is_some_and(|token| token.get().len() > 2);
            if counts || !all.contains_key(&key) {
                all.insert(key, entry);
            }
        }
        main.insert(name, raw_value(&all));
    }
    Some(text(&main))
}

/// The slot named in the main item.
#[must_use]
pub fn slot(main: &str) -> Option<String> {
    let main: Members = serde_json::from_str(main).ok()?;
    let pointer: serde_json::Value = serde_json::from_str(main.get("keychainOverflow")?.get()).ok()?;
    Some(pointer.get("slot")?.as_str()?.to_owned())
}

fn sealed(sections: &str, key: &[u8]) -> String {
    let mut nonce = [0; NONCE];
    let mut bytes = sections.as_bytes().to_vec();
    let made = UnboundKey::new(&AES_256_GCM, key).ok().zip(SystemRandom::new().fill(&mut nonce).ok());
    let tag = made.and_then(|(key, ())| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).ok()
    });
    assert!(tag.is_some(), "it is sealed");
    STANDARD.encode([&nonce[..], &bytes].concat())
}

fn parsed<T: serde::de::DeserializeOwned + Default>(text: &str) -> T {
    let parsed = serde_json::from_str(text);
    assert!(parsed.is_ok(), "no document: {text}");
    parsed.unwrap_or_default()
}

fn text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn raw_value<T: serde::Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
