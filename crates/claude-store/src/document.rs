mod decode;
mod error;
mod object;

pub use error::{DocumentError, EntryProblem};
pub(crate) use object::{Member, Object, describe, range_with_comma, span_in};

use crate::splice::{self, Change, SpliceError};
use crate::{Entry, EntryKey};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The client's document, read without being copied: what is not ours to know stays raw text.
///
/// Only `mcpOAuth` and `mcpOAuthClientConfig` are looked into. `claudeAiOauth` and every other member are skipped unread.
pub struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) root: Object<'a>,
    /// The raw `mcpOAuth` object.
    pub(crate) entries_object: Option<Object<'a>>,
    /// One for each member of `mcpOAuth`, in the document's order.
    slots: Vec<Slot>,
    /// The slots' numbers in the order of their keys.
    sorted: Vec<usize>,
    problems: Vec<EntryProblem>,
}

/// One member of `mcpOAuth`.
struct Slot {
    key: EntryKey,
    /// `None` for an entry with a problem.
    entry: Option<Entry>,
}

/// Where one entry stands in the document.
pub(crate) enum Found<'a> {
    /// The raw text of the only entry with this key, and whether it could be decoded.
    Once(&'a str, bool),
    /// The key stands there more than once.
    Twice,
    /// No entry has this key.
    Absent,
}

impl<'a> Document<'a> {
    /// Reads a document. Entries that make no sense become [`problems`](Self::problems); the others go on.
    ///
    /// # Errors
    /// Says where and why the bytes are not a document of the client; never shows any of them.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        let text = error::text(bytes)?;
        let root = Object::parse(text).map_err(|error| error::not_an_object(text, &error))?;
        let mut entries_raw = None;
        let mut configs_raw = None;
        for member in &root.members {
            match &*member.key {
                "mcpOAuth" if entries_raw.is_some() => return Err(DocumentError::EntriesTwice),
                "mcpOAuth" => entries_raw = Some(member.value),
                "mcpOAuthClientConfig" => configs_raw = Some(member.value),
                _ => {}
            }
        }
        let entries_object = entries_raw
            .map(|raw| {
                Object::parse(raw).map_err(|_| DocumentError::EntriesNotAnObject { found: describe(raw) })
            })
            .transpose()?;
        let secrets = configs_raw.map(decode::client_secrets).unwrap_or_default();
        let mut document =
            Self { text, root, entries_object, slots: Vec::new(), sorted: Vec::new(), problems: Vec::new() };
        document.decode(&secrets);
        Ok(document)
    }

    fn decode(&mut self, secrets: &BTreeMap<String, oauth_secret::ClientSecret>) {
        let Some(object) = &self.entries_object else { return };
        self.slots.reserve_exact(object.members.len());
        for member in &object.members {
            let key = EntryKey::new(&*member.key);
            let entry = match decode::entry(&key, member.value, secrets.get(&*member.key)) {
                Ok(entry) => Some(entry),
                Err(why) => {
                    self.problems.push(EntryProblem { key: key.clone(), why });
                    None
                }
            };
            self.slots.push(Slot { key, entry });
        }
        let slots = &self.slots;
        self.sorted = (0..slots.len()).collect();
        self.sorted.sort_by(|a, b| match (slots.get(*a), slots.get(*b)) {
            (Some(a), Some(b)) => a.key.cmp(&b.key),
            _ => Ordering::Equal,
        });
        let twice: Vec<usize> = self
            .sorted
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] => Some((*a, *b)).filter(|(a, b)| {
                    slots.get(*a).map(|slot| &slot.key) == slots.get(*b).map(|slot| &slot.key)
                }),
                _ => None,
            })
            .flat_map(|(a, b)| [a, b])
            .collect();
        for number in twice {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            slot.entry = None;
            if !self.problems.iter().any(|problem| problem.key == slot.key) {
                let why = "the key stands in `mcpOAuth` more than once".to_owned();
                self.problems.push(EntryProblem { key: slot.key.clone(), why });
            }
        }
    }

    /// The entries without problems, in the document's order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// One entry; `None` when it is absent or has a problem.
    #[must_use]
    pub fn entry(&self, key: &EntryKey) -> Option<&Entry> {
        self.slots.get(*self.positions(key).last()?)?.entry.as_ref()
    }

    /// The entries that could not be understood and are left alone.
    #[must_use]
    pub fn problems(&self) -> &[EntryProblem] {
        &self.problems
    }

    /// The raw text of an entry, also of one with a problem; of several with one key the last, as the client reads it.
    #[must_use]
    pub fn raw_entry(&self, key: &EntryKey) -> Option<&'a str> {
        let number = *self.positions(key).last()?;
        Some(self.entries_object.as_ref()?.members.get(number)?.value)
    }

    /// The document with these changes spliced in; every byte outside the changed members is as it was.
    ///
    /// One pass over the document whatever the number of changes.
    ///
    /// # Errors
    /// [`SpliceError`] names the entry and the reason; then nothing is changed at all.
    pub fn splice(&self, changes: &[(EntryKey, Change)]) -> Result<Zeroizing<Vec<u8>>, SpliceError> {
        splice::splice(self, changes)
    }

    pub(crate) fn find(&self, key: &EntryKey) -> Found<'a> {
        match self.positions(key) {
            [] => Found::Absent,
            [number] => {
                let raw = self.entries_object.as_ref().and_then(|object| object.members.get(*number));
                let decoded = self.slots.get(*number).is_some_and(|slot| slot.entry.is_some());
                raw.map_or(Found::Absent, |member| Found::Once(member.value, decoded))
            }
            _ => Found::Twice,
        }
    }

    /// The numbers of the slots with this key, in the document's order.
    fn positions(&self, key: &EntryKey) -> &[usize] {
        let order = |number: &usize| self.slots.get(*number).map_or(Ordering::Less, |slot| slot.key.cmp(key));
        let start = self.sorted.partition_point(|number| order(number).is_lt());
        let end = self.sorted.partition_point(|number| order(number).is_le());
        self.sorted.get(start..end).unwrap_or_default()
    }
}

impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.text.len())
            .field("entries", &self.slots.len())
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
