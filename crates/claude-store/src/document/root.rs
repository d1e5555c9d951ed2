use crate::KEYCHAIN_OVERFLOW;
use crate::json::{InOrder, Member, decode_string};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The relevant members of the document, read in one pass: with many entries, parsing takes most of the time.
#[derive(Default)]
pub(super) struct Root<'a> {
    /// The members of `mcpOAuth`, if present.
    pub(super) entries: Option<Vec<Member<'a>>>,
    /// Whether `mcpOAuth` appears more than once.
    pub(super) twice: bool,
    /// The raw `mcpOAuthClientConfig`; the last one if it repeats, as the client reads it.
    pub(super) configs: Option<&'a str>,
    /// Whether `claudeAiOauth` is present.
    pub(super) account: bool,
    /// Whether a member says that the document continues elsewhere.
    pub(super) continues: bool,
}

impl<'a> Root<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Root<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RootMembers(std::marker::PhantomData))
    }
}

struct RootMembers<'a>(std::marker::PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for RootMembers<'a> {
    type Value = Root<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Root<'a>, A::Error> {
        let mut root = Root::default();
        while let Some(raw_key) = map.next_key::<&'a RawValue>()? {
            let key = decode_string(raw_key.get()).ok_or_else(|| A::Error::custom("a key"))?;
            if key == "mcpOAuth" && root.entries.is_none() {
                root.entries = Some(map.next_value_seed(InOrder::default())?);
                continue;
            }
            let value = map.next_value::<&'a RawValue>()?.get();
            root.twice |= key == "mcpOAuth";
            if key == "claudeAiOauth" {
                root.account = value != "null";
            }
            if key == KEYCHAIN_OVERFLOW {
                root.continues = value != "null";
            }
            if key == "mcpOAuthClientConfig" {
                root.configs = Some(value);
            }
        }
        Ok(root)
    }
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for InOrder<'a> {
    type Value = Vec<Member<'a>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}
