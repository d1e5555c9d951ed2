//! Splicing arbitrary documents: nothing outside the changed members ever moves.

use claude_store::{Change, Document, EntryKey, ExpiresAt, TokenChange};
use oauth_secret::{AccessToken, RefreshToken};
use proptest::collection::vec;
use proptest::prelude::*;

/// White space as JSON allows it.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

/// A JSON string, as raw text, with every kind of escape.
fn raw_string() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            8 => "[ -!#-\\[\\]-~]",
            1 => Just("é\u{2028}🦀".to_owned()),
            1 => prop_oneof![
                Just(r#"\""#), Just(r"\\"), Just(r"\/"), Just(r"\n"), Just(r"\u0041"), Just(r"\ud83e\udd80"), Just(r"\ud800")
            ].prop_map(str::to_owned),
        ],
        0..6,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// Any JSON value, as raw text: numbers that no type holds, deep nesting, duplicate keys.
fn raw_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        raw_string(),
        prop_oneof![
            Just("null"),
            Just("true"),
            Just("false"),
            Just("0"),
            Just("-0.0"),
            Just("1e400"),
            Just("1.50"),
            Just("123456789012345678901234567890"),
            Just("0.1000000000000000055511151231257827"),
            Just("1E+2")
        ]
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (vec((space(), inner.clone(), space()), 0..4), space()).prop_map(|(items, end)| {
                let items: Vec<_> = items.into_iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
                if items.is_empty() { format!("[{end}]") } else { format!("[{}]", items.join(",")) }
            }),
            (vec((space(), raw_string(), space(), space(), inner, space()), 0..4), space()).prop_map(
                |(items, end)| {
                    let items: Vec<_> = items
                        .into_iter()
                        .map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"))
                        .collect();
                    if items.is_empty() { format!("{{{end}}}") } else { format!("{{{}}}", items.join(",")) }
                }
            ),
        ]
    })
}

/// What stands in an entry: known members with values, and the positions of unknown ones between them.
#[derive(Clone, Debug)]
struct Members(Vec<(String, String)>);

fn members() -> impl Strategy<Value = Members> {
    let known = (
        proptest::option::of(raw_token()),
        proptest::option::of(prop_oneof![raw_token(), Just("null".to_owned())]),
        proptest::option::of(prop_oneof![
            Just("0"),
            Just("1795381774631"),
            Just("1.5e12"),
            Just("null"),
            Just("1e400")
        ]),
    );
    (known, vec(raw_value(), 0..5), any::<u64>()).prop_map(|((access, refresh, expires), unknown, order)| {
        let mut members: Vec<(String, String)> = unknown
            .into_iter()
            .enumerate()
            .map(|(number, value)| (format!("unknown{number}"), value))
            .collect();
        members.extend(access.map(|value| ("accessToken".to_owned(), value)));
        members.extend(refresh.map(|value| ("refreshToken".to_owned(), value)));
        members.extend(expires.map(|value| ("expiresAt".to_owned(), value.to_owned())));
        let len = members.len().max(1);
        members.rotate_left(usize::try_from(order % len as u64).unwrap() % len);
        Members(members)
    })
}

fn raw_token() -> impl Strategy<Value = String> {
    "[a-z]{0,5}".prop_map(|text| format!("\"{text}\""))
}

/// An entry's text as pieces, so that the expected result can be put together from the same pieces.
fn entry_text(members: &[(String, String)], spaces: &[String]) -> String {
    let space = |number: usize| spaces.get(number % spaces.len().max(1)).map_or("", String::as_str);
    let parts: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(n, (key, value))| format!("{}\"{key}\"{}:{}{value}", space(n), space(n + 1), space(n + 2)))
        .collect();
    format!("{{{}{}}}", parts.join(","), space(7))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_outside_the_changed_members_stay_and_the_change_is_what_was_meant(
        before in members(), other in members(), head in raw_value(), tail in raw_value(),
        spaces in vec(space(), 1..6), token in any::<String>(), refresh in proptest::option::of(any::<String>()),
        expires in proptest::option::of(1_i64..4_000_000_000_000), scope in proptest::option::of(any::<String>()),
    ) {
        let entry = entry_text(&before.0, &spaces);
        let other = entry_text(&other.0, &spaces);
        let prefix = format!(r#"{{"x" :{head},"mcpOAuth": {{"other|0":{other}, "lab|00" : "#);
        let suffix = format!(r#" , "third|0":{other}}},"x":{tail}}}"#);
        let text = format!("{prefix}{entry}{suffix}");
        let document = Document::parse(text.as_bytes()).unwrap();
        prop_assert!(document.problems().is_empty(), "{:?}", document.problems());
        let change = Change::Tokens(TokenChange {
            access_token: AccessToken::new(token.clone()),
            refresh_token: refresh.clone().map(RefreshToken::new),
            expires_at: expires,
            scope: scope.clone(),
        });
        let key = EntryKey::new("lab|00");
        let spliced = document.splice(&[(key.clone(), change)]).unwrap();
        let spliced = std::str::from_utf8(&spliced).unwrap();
        let after = spliced.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(&suffix));
        let after = after.expect("every byte around the entry stays");

        // Every member that was not meant to change has its very text, in its order.
        let raw: Vec<(String, Box<serde_json::value::RawValue>)> = in_order(after);
        let kept: Vec<(String, String)> = before.0.iter()
            .filter(|(name, _)| name.starts_with("unknown")).cloned().collect();
        let still: Vec<(String, String)> = raw.iter()
            .filter(|(name, _)| name.starts_with("unknown"))
            .map(|(name, value)| (name.clone(), value.get().to_owned())).collect();
        prop_assert_eq!(kept, still);

        // And it reads as it was meant.
        let again = Document::parse(spliced.as_bytes()).unwrap();
        let entry = again.entry(&key).unwrap();
        prop_assert_eq!(entry.access_token.as_ref().map(|t| t.expose()), Some(&*token).filter(|t| !t.is_empty()));
        if let Some(refresh) = &refresh {
            prop_assert_eq!(entry.refresh_token.as_ref().map(|t| t.expose()), Some(&**refresh).filter(|t| !t.is_empty()));
        } else {
            prop_assert_eq!(&entry.refresh_token, &document.entry(&key).unwrap().refresh_token);
        }
        prop_assert_eq!(entry.expires_at, expires.map_or(ExpiresAt::Absent, ExpiresAt::At));
        prop_assert_eq!(entry.scope.clone(), scope);
        let names: Vec<_> = raw.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(names.iter().filter(|name| **name == "accessToken").count(), 1);

        // Done once more it changes nothing.
        let same = Change::Tokens(TokenChange {
            access_token: AccessToken::new(token),
            refresh_token: refresh.map(RefreshToken::new),
            expires_at: expires,
            scope: None,
        });
        prop_assert_eq!(&again.splice(&[(key, same)]).unwrap()[..], spliced.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_show_in_an_error(bytes in vec(any::<u8>(), 0..200)) {
        if let Err(error) = Document::parse(&bytes) {
            prop_assert!(error.to_string().is_ascii() || !error.to_string().is_empty());
        }
    }

    #[test]
    fn a_document_cut_off_anywhere_is_an_error_and_never_a_panic(members in members(), cut in 0.0_f64..1.0) {
        let text = format!(r#"{{"mcpOAuth":{{"lab|00":{}}}}}"#, entry_text(&members.0, &[String::new()]));
        let mut at = (text.len() as f64 * cut) as usize;
        while !text.is_char_boundary(at) { at -= 1; }
        prop_assert!(Document::parse(&text.as_bytes()[..at]).is_err());
    }

    #[test]
    fn any_object_may_stand_under_a_key(value in raw_value()) {
        let text = format!(r#"{{"mcpOAuth":{{"any|0":{value},"lab|00":{{"accessToken":"a"}}}}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        prop_assert!(document.entry(&"lab|00".into()).is_some());
        prop_assert_eq!(document.raw_entry(&"any|0".into()), Some(&*value));
    }
}

/// The members of an object in order, read by other means than the crate's own.
fn in_order(text: &str) -> Vec<(String, Box<serde_json::value::RawValue>)> {
    struct Members;
    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = Vec<(String, Box<serde_json::value::RawValue>)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut json, Members).unwrap()
}
