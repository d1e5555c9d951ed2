use crate::head::head;
use crate::plain::{self, Member, is_blurred};
use claude_store::{Change, Document, EntryKey, RawEntry, SpliceError, TokenChange};
use oauth_secret::{AccessToken, RefreshToken};
use std::ops::Range;

/// What a healing puts back where it is missing.
const HEALED: [(&str, &str); 3] = [
    ("clientId", "client"),
    ("issuer", "https://as.example"),
    ("redirectUri", "http://localhost:1/callback"),
];

/// Splicing the client's document.
///
/// Only non-documents are refused, with a message. A change leaves every byte outside the changed members as it
/// was, and other readers understand the result, too; applying it again changes nothing. Several changes at once equal
/// the same changes one by one.
///
/// Input: `tokens`, `heal`, `restore`, `empty`, `remove` or `reinsert`, with the new `expiresAt` after a space where there is one; the access token (of
/// the last two: the raw entry); the refresh token or nothing; a key; then the document.
pub fn document(input: &[u8]) {
    let ([kind, access, refresh, key], bytes) = head(input);
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        Err(error) => {
            assert!(error.to_string().contains("restore the latest backup"), "{error}");
            assert!(!is_document(bytes), "refused: {error}");
            return;
        }
    };
    assert!(is_document(bytes), "read, and is none");
    let text = std::str::from_utf8(bytes).expect("a document is text");
    let _ = document.problems();

    let change = change(&kind, &access, &refresh);
    let mut keys = vec![EntryKey::new(key)];
    let entries = entries(text);
    keys.extend(
        entries
            .iter()
            .flat_map(|(_, members)| members)
            .filter_map(|member| member.key.clone())
            .map(EntryKey::new),
    );
    keys.retain(|key| !is_blurred(key.as_str()));
    keys.truncate(4);
    for key in &keys {
        one(&document, text, key, &change);
    }
    if let [first, second, ..] = &*keys
        && first != second
    {
        both(&document, first, second, &change);
    }
}

fn change(kind: &str, access: &str, refresh: &str) -> Change {
    let (kind, expires) = kind.split_once(' ').unwrap_or((kind, ""));
    let tokens = TokenChange {
        access_token: AccessToken::new(access),
        refresh_token: (!refresh.is_empty()).then(|| RefreshToken::new(refresh)),
        expires_at: expires.parse().ok(),
        scope: access.starts_with('s').then(|| "new scope".to_owned()),
    };
    match kind {
        "heal" => {
            let [client_id, issuer, redirect_uri] = HEALED.map(|(_, value)| Some(value.to_owned()));
            Change::Heal { tokens, client_id, issuer, redirect_uri, scope: Some("healed scope".to_owned()) }
        }
        "restore" => Change::Restore { members: RawEntry::new(access) },
        "empty" => Change::Empty,
        "remove" => Change::Remove,
        "reinsert" => Change::Reinsert { raw: RawEntry::new(access) },
        _ => Change::Tokens(tokens),
    }
}

/// Whether the bytes are a JSON object in which `mcpOAuth` occurs at most once and is an object.
fn is_document(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(root) = plain::members(text) else { return false };
    let mut entries = root.iter().filter(|member| member.is("mcpOAuth"));
    match (entries.next(), entries.next()) {
        (None, _) => true,
        (Some(only), None) => text[only.value.clone()].starts_with('{'),
        (Some(_), Some(_)) => false,
    }
}

/// The members of `mcpOAuth`, placed in the whole text, and where it stands.
fn entries(text: &str) -> Option<(Range<usize>, Vec<Member>)> {
    let root = plain::members(text)?;
    let place = root.into_iter().find(|member| member.is("mcpOAuth"))?.value;
    let moved = |range: Range<usize>| range.start + place.start..range.end + place.start;
    let members = plain::members(&text[place.clone()])?.into_iter();
    let members = members.map(|m| Member { whole: moved(m.whole), value: moved(m.value), ..m }).collect();
    Some((place, members))
}

fn one(document: &Document<'_>, text: &str, key: &EntryKey, change: &Change) {
    let known = entries(text).map(|(_, members)| members).unwrap_or_default();
    let mut same = known.iter().filter(|member| member.is(key.as_str()));
    let (place, twice) = (same.next().map(|member| member.value.clone()), same.next().is_some());
    let spliced = match document.splice(&[(key.clone(), change.clone())]) {
        Ok(spliced) => spliced,
        Err(error) => {
            match &error {
                SpliceError::Absent(_) => assert!(place.is_none(), "{error}"),
                SpliceError::Present(_) => assert!(place.is_some(), "{error}"),
                SpliceError::Problem(_) => assert!(twice || document.entry(key).is_none(), "{error}"),
                SpliceError::NotAnObject(_) => {
                    let (Change::Restore { members: raw } | Change::Reinsert { raw }) = change else {
                        panic!("{error}");
                    };
                    assert!(plain::members(raw.expose().trim_ascii()).is_none(), "{error}");
                }
                error => panic!("{error}"),
            }
            return;
        }
    };
    let after = std::str::from_utf8(&spliced).expect("a document is text");
    assert!(is_document(after.as_bytes()), "the result is not a document");
    match change {
        Change::Reinsert { raw } => {
            assert!(place.is_none(), "the entry was there");
            assert!(is_insertion(text, after), "more than one place was changed");
            let (_, members) = entries(after).expect("the entries are there");
            let last = members.last().expect("an entry was put back");
            assert!(last.is(key.as_str()) && members.len() == known.len() + 1);
            assert_eq!(&after[last.value.clone()], raw.expose().trim_ascii());
        }
        Change::Remove => {
            assert!(place.is_some(), "there was nothing to remove");
            assert!(is_insertion(after, text), "more than one place was changed");
            let (_, members) = entries(after).expect("the other entries are there");
            assert!(
                members.len() + 1 == known.len() && !members.iter().any(|member| member.is(key.as_str()))
            );
        }
        _ => {
            let place = place.expect("the entry is there");
            let end = text.len() - place.end;
            assert!(after.len() >= place.start + end, "bytes outside the entry are gone");
            let new = place.start..after.len() - end;
            assert_eq!(after[..new.start], text[..place.start], "bytes before the entry were changed");
            assert_eq!(after[new.end..], text[place.end..], "bytes after the entry were changed");
            let (before, entry) = (&text[place], &after[new]);
            match change {
                Change::Restore { members } => assert_eq!(entry, members.expose().trim_ascii()),
                Change::Tokens(tokens) => {
                    tokens_are_written(before, entry, tokens, &[], &after_reading(after, key))
                }
                Change::Heal { tokens, .. } => {
                    let scope = ("scope", "healed scope");
                    let filled: Vec<_> = HEALED
                        .into_iter()
                        .chain([scope].into_iter().filter(|_| tokens.scope.is_none()))
                        .collect();
                    tokens_are_written(before, entry, tokens, &filled, &after_reading(after, key));
                }
                Change::Empty => assert_eq!(after_reading(after, key), (None, None)),
                Change::Reinsert { .. } | Change::Remove => {}
            }
        }
    }
    if matches!(change, Change::Tokens(_) | Change::Heal { .. } | Change::Empty) {
        let again = Document::parse(&spliced).expect("the result is a document");
        let twice = again.splice(&[(key.clone(), change.clone())]).expect("the entry is still there");
        assert!(*twice == *spliced, "the same change a second time changed something");
    }
}

/// The tokens of the entry as the crate itself reads them.
fn after_reading(text: &str, key: &EntryKey) -> (Option<String>, Option<String>) {
    let document = Document::parse(text.as_bytes()).expect("the result is a document");
    let entry = document.entry(key).expect("the entry can be read");
    let exposed = |token: &str| token.to_owned();
    (
        entry.access_token.as_ref().map(|token| exposed(token.expose())),
        entry.refresh_token.as_ref().map(|token| exposed(token.expose())),
    )
}

fn tokens_are_written(
    before: &str,
    after: &str,
    tokens: &TokenChange,
    filled: &[(&str, &str)],
    read: &(Option<String>, Option<String>),
) {
    let old = plain::members(before).expect("the entry was an object");
    let new = plain::members(after).expect("the entry is an object");
    let expires = tokens.expires_at.map(|millis| millis.to_string());
    let mut written = vec![("accessToken", tokens.access_token.expose())];
    written.extend(tokens.refresh_token.as_ref().map(|token| ("refreshToken", token.expose())));
    written.extend(tokens.scope.as_deref().map(|scope| ("scope", scope)));
    let missing = |key: &str| plain::last(before, &old, key).is_none_or(|raw| matches!(raw, "null" | "\"\""));
    written.extend(filled.iter().copied().filter(|(key, _)| missing(key)));

    for (key, value) in &written {
        let raw = plain::last(after, &new, key).expect("what was to be written is there");
        assert_eq!(plain::string(raw).as_deref(), Some(*value), "`{key}` is something else");
    }
    assert_eq!(plain::last(after, &new, "expiresAt"), expires.as_deref());
    assert_eq!(read.0.as_deref(), Some(tokens.access_token.expose()).filter(|token| !token.is_empty()));
    if let Some(refresh) = &tokens.refresh_token {
        assert_eq!(read.1.as_deref(), Some(refresh.expose()));
    }

    let changed = |member: &Member| member.is("expiresAt") || written.iter().any(|(key, _)| member.is(key));
    let kept = |text: &str, members: &[Member]| -> Vec<String> {
        members.iter().filter(|m| !changed(m)).map(|m| text[m.whole.clone()].to_owned()).collect()
    };
    assert_eq!(kept(before, &old), kept(after, &new), "a member that was not meant was changed");
    if expires.is_some() || !old.iter().any(|member| member.is("expiresAt")) {
        // Nothing was removed, so the whitespace is unchanged, too.
        let still = new.get(..old.len()).expect("no member was removed");
        let without = |text: &str, members: &[Member]| -> String {
            let (mut rest, mut at) = (String::new(), 0);
            for member in members.iter().filter(|member| changed(member)) {
                rest.push_str(&text[at..member.value.start]);
                at = member.value.end;
            }
            rest + &text[at..]
        };
        let end_of = |members: &[Member]| members.last().map(|member| member.value.end);
        let whole = match (end_of(still), end_of(&new)) {
            (Some(end), Some(last)) => format!("{}{}", without(&after[..end], still), &after[last..]),
            (None, Some(last)) => format!("{{{}", &after[last..]),
            _ => after.to_owned(),
        };
        assert_eq!(without(before, &old), whole, "bytes between the members were changed");
    }
}

/// Whether `after` is `before` with something put in at one place.
fn is_insertion(before: &str, after: &str) -> bool {
    let (before, after) = (before.as_bytes(), after.as_bytes());
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    after.len() >= before.len() && same + end >= before.len()
}

fn both(document: &Document<'_>, first: &EntryKey, second: &EntryKey, change: &Change) {
    let changes = [(first.clone(), change.clone()), (second.clone(), change.clone())];
    let together = document.splice(&changes);
    if matches!(change, Change::Remove) {
        assert!(together.is_err(), "two were removed at once");
        return;
    }
    let [first, second] = changes;
    let Ok(once) = document.splice(&[first]) else {
        assert!(together.is_err(), "one of two changes cannot be made, and both were");
        return;
    };
    let after = Document::parse(&once).expect("the result is a document");
    match (together, after.splice(&[second])) {
        (Ok(together), Ok(apart)) => {
            assert!(*together == *apart, "two changes at once differ from one by one")
        }
        (Err(_), Err(_)) => {}
        (together, apart) => panic!("in one go {:?}, one by one {:?}", together.err(), apart.err()),
    }
}
