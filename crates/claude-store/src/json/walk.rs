//! The members of an object in text that a parser has accepted before: only places are looked for, nothing is checked again.

use super::object::{Member, Object, decode_string};
use memchr::memchr2;
use std::borrow::Cow;

/// A place in JSON. In other text it finds nothing, or something that is not there.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Object<'a> {
    /// As [`parse`](Self::parse), for text that was parsed before as a part of something larger: half the instructions. `None` if it is
    /// another value.
    pub(crate) fn in_parsed(text: &'a str) -> Option<Self> {
        Some(Self { raw: text.trim_ascii(), members: members(text)? })
    }
}

/// The object's members, in source order.
fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut walk = Walk { text, at: 0 };
    // An entry of today's clients has about a dozen.
    let mut members = Vec::with_capacity(16);
    walk.pass(b'{')?;
    if walk.pass(b'}').is_some() {
        return Some(members);
    }
    loop {
        walk.skip_space();
        let (raw_key, plain) = walk.string()?;
        let key = match plain {
            Some(key) => Cow::Borrowed(key),
            None => decode_string(raw_key)?,
        };
        walk.pass(b':')?;
        walk.skip_space();
        let (value, plain) = match walk.next() {
            Some(b'"') => walk.string()?,
            _ => (walk.value()?, None),
        };
        members.push(Member { raw_key, key, value, plain });
        if walk.pass(b',').is_none() {
            return walk.pass(b'}').map(|()| members);
        }
    }
}

impl<'a> Walk<'a> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.next().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past white space and this byte.
    fn pass(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        let is_here = self.next() == Some(byte);
        self.at += usize::from(is_here);
        is_here.then_some(())
    }

    /// A string, quotes included; and without them, if it has no escape.
    fn string(&mut self) -> Option<(&'a str, Option<&'a str>)> {
        let (start, mut is_plain) = (self.at, true);
        self.next().filter(|byte| *byte == b'"')?;
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let found = memchr2(b'"', b'\\', rest)?;
            if rest.get(found) == Some(&b'"') {
                self.at += found + 1;
                let plain = if is_plain { self.text.get(start + 1..self.at - 1) } else { None };
                return Some((self.text.get(start..self.at)?, plain));
            }
            is_plain = false;
            // Whatever is escaped ends no string.
            self.at += found + 2;
        }
    }

    /// A value of any kind and depth.
    fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.next() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => self.word()?,
            }
            if depth == 0 {
                return self.text.get(start..self.at);
            }
        }
    }

    /// A number, or one of JSON's three words.
    fn word(&mut self) -> Option<()> {
        let start = self.at;
        while self
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
        {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Object, decode_string};
    use proptest::prelude::*;

    type Places<'a> = Vec<(&'a str, String, &'a str)>;

    fn places<'a>(object: Option<&Object<'a>>) -> Option<Places<'a>> {
        let place = |members: &crate::json::Member<'a>| {
            (members.raw_key, members.key.clone().into_owned(), members.value)
        };
        object.map(|object| object.members.iter().map(place).collect())
    }

    fn space() -> impl Strategy<Value = &'static str> {
        prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t")]
    }

    fn string() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            Just(r#""a\\\"b\\""#.to_owned()),
            Just(r#""{\u007d[,:""#.to_owned()),
            Just(r#""\ud800""#.to_owned()),
        ]
    }

    fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let member = (space(), string(), space(), space(), value, space())
            .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
        (space(), prop::collection::vec(member, 0..5)).prop_map(|(empty, members)| {
            if members.is_empty() { format!("{{{empty}}}") } else { format!("{{{}}}", members.join(",")) }
        })
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            string(),
            Just("1e400".to_owned()),
            Just("-0.5E+3".to_owned()),
            Just("true".to_owned()),
            Just("null".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            let list = (space(), prop::collection::vec(inner.clone(), 0..4), space())
                .prop_map(|(a, values, b)| format!("[{a}{}{b}]", values.join(" , ")));
            prop_oneof![list, object_of(inner)]
        })
    }

    proptest! {
        #[test]
        fn finds_what_the_parser_finds(text in object_of(value())) {
            let parsed = Object::parse(&text).expect("made as JSON");
            let found = Object::in_parsed(&text).expect("it is an object");
            prop_assert_eq!(places(Some(&found)), places(Some(&parsed)));
            for member in &found.members {
                let plain = decode_string(member.value).filter(|_| !member.value.contains('\\'));
                prop_assert_eq!(member.plain, plain.as_deref());
            }
        }

        #[test]
        fn no_value_but_an_object_has_members(text in value().prop_filter("an object", |text| !text.starts_with('{'))) {
            prop_assert!(Object::in_parsed(&text).is_none());
        }

        #[test]
        fn ends_on_any_text(text in "[\\[\\]{}:,\"\\\\ a1\u{e4}]{0,40}") {
            if let Some(object) = Object::in_parsed(&text) {
                prop_assert!(object.members.iter().all(|member| text.contains(member.value)));
            }
        }
    }
}
