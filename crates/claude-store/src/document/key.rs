use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The key of an entry in `mcpOAuth`: `<server name>|<16 hex digits>`.
///
/// The digits are the client's hash of the server's configuration. They are never computed here; for an entry that is there, always use
/// the key found in the document. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey(Arc<str>);

impl EntryKey {
    /// Wraps a key as found in the document.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last `|`: the server's name, if the entry itself does not state it.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.0.rsplit_once('|').map_or(self.as_str(), |(name, _)| name)
    }

    /// The name of the entry's refresh lock (measured: the suffix is doubled, and every UTF-16 unit outside `A-Za-z0-9` becomes
    /// `_`, so a character outside the basic plane becomes two).
    #[must_use]
    pub fn lock_name(&self) -> String {
        let mut name = String::with_capacity(self.0.len() + 24);
        name.push_str("mcp-refresh-");
        for character in self.0.chars() {
            if character.is_ascii_alphanumeric() {
                name.push(character);
            } else {
                name.extend(std::iter::repeat_n('_', character.len_utf16()));
            }
        }
        name.push_str(".lock.lock");
        name
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for EntryKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for EntryKey {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for EntryKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_named_as_the_client_names_it() {
        let name = |key: &str| EntryKey::new(key).lock_name();
        assert_eq!(name("lab|6f671eeac57e3e15"), "mcp-refresh-lab_6f671eeac57e3e15.lock.lock");
        assert_eq!(name("plugin:slack:slack|00"), "mcp-refresh-plugin_slack_slack_00.lock.lock");
        assert_eq!(name("é/..|0"), "mcp-refresh-_____0.lock.lock");
        // "🦀".replace(/[^a-zA-Z0-9]/g, "_") is "__" in JavaScript.
        assert_eq!(name("🦀"), "mcp-refresh-__.lock.lock");
    }

    #[test]
    fn the_server_name_ends_at_the_last_bar() {
        assert_eq!(EntryKey::new("a|b|00").server_name(), "a|b");
        assert_eq!(EntryKey::new("plain").server_name(), "plain");
    }
}
