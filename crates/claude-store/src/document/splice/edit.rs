use crate::EntryKey;
use crate::document::change::TokenChange;
use crate::json::{Object, range_with_comma, span_in};
use compact::Arrange as _;
use oauth_secret::SecretBytes;
use std::io::Write;
use std::ops::Range;

/// Replacements in a text, applied in one pass.
pub(super) struct Edits<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, SecretBytes)>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, edits: Vec::new() }
    }

    /// Replaces a part of the text, from which it must be borrowed.
    pub(super) fn replace(&mut self, part: &str, by: SecretBytes) {
        self.edits.push((span_in(self.text, part), by));
    }

    fn insert(&mut self, at: usize, new: SecretBytes) {
        self.edits.push((at..at, new));
    }

    fn remove(&mut self, range: Range<usize>) {
        self.edits.push((range, SecretBytes::default()));
    }

    /// Removes the entry with this value from `mcpOAuth`, and one comma.
    pub(super) fn remove_entry(&mut self, value: &str) {
        // The text has been parsed as a document before, so this cannot fail.
        let Ok(root) = Object::parse(self.text) else { return };
        let known = root.members.iter().find(|member| member.key == "mcpOAuth");
        let Some(Ok(object)) = known.map(|member| Object::parse(member.value)) else { return };
        let wanted = span_in(self.text, value);
        let number = object.members.iter().position(|member| span_in(self.text, member.value) == wanted);
        let range = number.and_then(|number| range_with_comma(self.text, &object, number));
        self.edits.extend(range.map(|range| (range, SecretBytes::default())));
    }

    /// Appends entries to `mcpOAuth`, which is created if it is missing.
    pub(super) fn append_entries(&mut self, entries: &[(&EntryKey, &str)]) {
        // The text has been parsed as a document before, so this cannot fail.
        let Ok(root) = Object::parse(self.text) else { return };
        let known = root.members.iter().find(|member| member.key == "mcpOAuth");
        let (object, wrapped) = match known.map(|member| Object::parse(member.value)) {
            Some(Ok(object)) => (object, false),
            _ => (root, true),
        };
        let mut new =
            Text::for_secrets(entries.iter().map(|(key, raw)| key.as_str().len() + raw.len()).sum());
        let mut comma = !object.members.is_empty();
        if wrapped {
            new.comma(&mut comma);
            new.raw(b"\"mcpOAuth\":{");
            comma = false;
        }
        for (key, raw) in entries {
            new.comma(&mut comma);
            new.string(key.as_str());
            new.raw(b":");
            new.raw(raw.as_bytes());
        }
        if wrapped {
            new.raw(b"}");
        }
        self.insert(object.end_of_members(self.text), new.0);
    }

    /// Returns the text with all replacements applied.
    pub(super) fn apply(mut self) -> SecretBytes {
        // A stable sort applies a removal before an insertion at its end.
        self.edits.arrange_by_key(|(range, _)| (range.start, range.end));
        let added: usize = self.edits.iter().map(|(_, new)| new.len()).sum();
        // Allocate once: a growing buffer would leave copies of tokens behind.
        let mut spliced = SecretBytes::with_capacity(self.text.len() + added);
        let mut done = 0;
        for (range, new) in &self.edits {
            spliced.extend_from_slice(self.text.as_bytes().get(done..range.start).unwrap_or_default());
            spliced.extend_from_slice(new);
            done = range.end;
        }
        spliced.extend_from_slice(self.text.as_bytes().get(done..).unwrap_or_default());
        spliced
    }
}

/// The changes to the members of one entry.
pub(super) struct EntryEdit<'a> {
    entry: Object<'a>,
    /// New values of existing members, by index.
    replaced: Vec<(usize, SecretBytes)>,
    removed: Option<usize>,
    /// Names and values of new members.
    added: Vec<(&'static str, SecretBytes)>,
}

impl<'a> EntryEdit<'a> {
    pub(super) fn new(entry: Object<'a>) -> Self {
        Self { entry, replaced: Vec::new(), removed: None, added: Vec::new() }
    }

    /// Applies a token response.
    pub(super) fn tokens(&mut self, tokens: &TokenChange) {
        self.set("accessToken", json_string(tokens.access_token.expose()));
        if let Some(token) = &tokens.refresh_token {
            self.set("refreshToken", json_string(token.expose()));
        }
        match tokens.expires_at {
            Some(millis) => self.set("expiresAt", millis.to_string().into_bytes().into()),
            None => self.removed = self.position("expiresAt"),
        }
        if let Some(scope) = &tokens.scope {
            self.set("scope", json_string(scope));
        }
    }

    /// Takes the tokens out.
    pub(super) fn empty(&mut self) {
        self.set("accessToken", json_string(""));
        self.set("expiresAt", b"0".to_vec().into());
        self.removed = self.position("refreshToken");
    }

    /// Sets a member that is absent, null or empty, unless it has been written already.
    pub(super) fn fill(&mut self, name: &'static str, value: Option<&str>) {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return };
        let number = self.position(name);
        let written = self.added.iter().any(|(added, _)| *added == name)
            || self.replaced.iter().any(|(replaced, _)| Some(*replaced) == number);
        let present = number
            .and_then(|number| self.entry.members.get(number))
            .is_some_and(|member| !matches!(member.value, "null" | "\"\""));
        if !written && !present {
            self.set(name, json_string(value));
        }
    }

    fn set(&mut self, name: &'static str, value: SecretBytes) {
        match self.position(name) {
            Some(number) => self.replaced.push((number, value)),
            None => self.added.push((name, value)),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entry.members.iter().position(|member| member.key == name)
    }

    /// Turns the changes into edits of the document.
    pub(super) fn finish(self, edits: &mut Edits<'_>) {
        let Self { entry, replaced, removed, added } = self;
        for (number, value) in replaced {
            if let Some(member) = entry.members.get(number) {
                edits.replace(member.value, value);
            }
        }
        if let Some(range) = removed.and_then(|number| range_with_comma(edits.text, &entry, number)) {
            edits.remove(range);
        }
        if added.is_empty() {
            return;
        }
        let mut comma = entry.members.len() > usize::from(removed.is_some());
        let mut new = Text::for_secrets(added.iter().map(|(name, value)| name.len() + value.len()).sum());
        for (name, value) in &added {
            new.comma(&mut comma);
            new.string(name);
            new.raw(b":");
            new.raw(value);
        }
        edits.insert(entry.end_of_members(edits.text), new.0);
    }
}

/// A JSON string.
pub(super) fn json_string(text: &str) -> SecretBytes {
    let mut json = Text::for_secrets(text.len());
    json.string(text);
    json.0
}

/// JSON text with secrets. It never reallocates, which would leave copies behind.
struct Text(SecretBytes);

impl Text {
    /// Room for strings of `len` bytes, even if every byte needs an escape, plus some commas and quotes.
    fn for_secrets(len: usize) -> Self {
        Self(SecretBytes::with_capacity(6 * len + 64))
    }

    fn comma(&mut self, comma: &mut bool) {
        if std::mem::replace(comma, true) {
            self.raw(b",");
        }
    }

    fn string(&mut self, text: &str) {
        // Writing to a vector cannot fail, and every `str` is a valid JSON string.
        let written = serde_json::to_writer(&mut *self.0, text);
        debug_assert!(written.is_ok());
    }

    fn raw(&mut self, bytes: &[u8]) {
        let written = self.0.write_all(bytes);
        debug_assert!(written.is_ok());
    }
}
