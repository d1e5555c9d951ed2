use claude_store::EntryKey;
use std::path::{Component, Path};

/// The name of an entry's refresh lock: one path component, whatever the key, and the very name that the client gives it.
///
/// Input: the key.
pub fn lock_name(input: &[u8]) {
    let key = EntryKey::new(String::from_utf8_lossy(input));
    let name = key.lock_name();
    // key.replace(/[^a-zA-Z0-9]/g, "_") on UTF-16, as JavaScript counts.
    let plain: String = key
        .as_str()
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')) => char::from(byte),
            _ => '_',
        })
        .collect();
    assert_eq!(name, format!("mcp-refresh-{plain}.lock.lock"));
    let mut components = Path::new(&name).components();
    assert!(matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)));
    assert!(key.as_str().starts_with(key.server_name()));
}
