pub(crate) mod change;
pub(crate) mod entry;
pub(crate) mod incomplete;
pub(crate) mod key;
pub(crate) mod splice;

mod decode;
mod error;
mod root;

pub use error::{DocumentError, EntryProblem};

use crate::json::Member;
use crate::{Entry, EntryKey, Incomplete, RawEntry};
use compact::{Map, Set};
use oauth_secret::ClientSecret;
use root::Root;
use std::cell::OnceCell;
use std::cmp::Ordering;
use zeroize::Zeroizing;

/// Claude Code's credential document, parsed without copying: anything we do not need stays raw text.
///
/// Only `mcpOAuth` and `mcpOAuthClientConfig` are parsed. `claudeAiOauth` and all other members are skipped. Entries are decoded
/// on first access.
pub struct Document<'a> {
    pub(crate) text: &'a str,
    /// The members of `mcpOAuth` in document order.
    entries: Vec<Slot<'a>>,
    /// Indices into `entries`, sorted by key.
    sorted: Vec<usize>,
    configs: Option<&'a str>,
    account: bool,
    incomplete: Option<Incomplete>,
    secrets: OnceCell<Map<String, ClientSecret>>,
    problems: OnceCell<Vec<EntryProblem>>,
}

/// One member of `mcpOAuth`.
struct Slot<'a> {
    key: EntryKey,
    raw: &'a str,
    twice: bool,
    decoded: OnceCell<Result<Entry, String>>,
}

/// The result of looking up a key.
pub(crate) enum Found<'a> {
    /// The raw text of the only entry with this key, and whether it decodes.
    Once(&'a str, bool),
    /// The key appears more than once.
    Twice,
    /// No entry has this key.
    Absent,
}

impl<'a> Document<'a> {
    /// Parses a document. Malformed entries become [`problems`](Self::problems) and do not affect the others.
    ///
    /// # Errors
    /// Reports where and why parsing failed; never quotes the content.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        let text = error::text(bytes)?;
        let root = Root::parse(text).map_err(|error| error::not_readable(text, &error))?;
        if root.twice {
            return Err(DocumentError::EntriesTwice);
        }
        let mut document = Self {
            text,
            entries: root.entries.unwrap_or_default().into_iter().map(Slot::new).collect(),
            sorted: Vec::new(),
            configs: root.configs,
            account: root.account,
            incomplete: root.continues.then_some(Incomplete::OutOfReach),
            secrets: OnceCell::new(),
            problems: OnceCell::new(),
        };
        document.sort();
        Ok(document)
    }

    /// Parses one part of a split document, which is not expected to be complete.
    pub(crate) fn part(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        Ok(Self { incomplete: None, ..Self::parse(bytes)? })
    }

    /// Records why the document is incomplete.
    pub(crate) fn with_incomplete(self, incomplete: Option<Incomplete>) -> Self {
        Self { incomplete: incomplete.or(self.incomplete), ..self }
    }

    /// Why some entries are missing from the document; `None` if it is complete. Absence from an incomplete document does not
    /// mean that an entry was removed.
    #[must_use]
    pub fn incomplete(&self) -> Option<&Incomplete> {
        self.incomplete.as_ref()
    }

    /// Whether the user is logged in to Claude itself: `claudeAiOauth` is present. Nothing of it is read.
    #[must_use]
    pub fn has_account_login(&self) -> bool {
        self.account
    }

    /// The keys of all entries, including malformed ones.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntryKey> {
        self.entries.iter().map(|slot| &slot.key)
    }

    fn sort(&mut self) {
        let entries = &self.entries;
        // A stable sort keeps entries with the same key in document order.
        let sorted = compact::order(entries.len(), &mut |a, b| match (entries.get(a), entries.get(b)) {
            (Some(a), Some(b)) => a.key.cmp(&b.key),
            _ => Ordering::Equal,
        });
        let same =
            |a: usize, b: usize| entries.get(a).zip(entries.get(b)).is_some_and(|(a, b)| a.key == b.key);
        let neighbours = sorted.iter().copied().zip(sorted.iter().copied().skip(1));
        let twice: Vec<usize> = neighbours.filter(|(a, b)| same(*a, *b)).flat_map(|(a, b)| [a, b]).collect();
        for number in twice {
            if let Some(slot) = self.entries.get_mut(number) {
                slot.twice = true;
            }
        }
        self.sorted = sorted;
    }

    fn decoded<'s>(&'s self, slot: &'s Slot<'a>) -> &'s Result<Entry, String> {
        slot.decoded.get_or_init(|| {
            if slot.twice {
                return Err("the key stands in `mcpOAuth` more than once".to_owned());
            }
            let secrets =
                self.secrets.get_or_init(|| self.configs.map(decode::client_secrets).unwrap_or_default());
            let entry = decode::entry(&slot.key, slot.raw, secrets.get(slot.key.as_str()))?;
            match &self.incomplete {
                // In that case the client reads the entry from the other item.
                Some(why) if entry.access_token.is_none() => Err(why.to_string()),
                _ => Ok(entry),
            }
        })
    }

    /// The well-formed entries, in document order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter_map(|slot| self.decoded(slot).as_ref().ok())
    }

    /// The same, for whoever needs nothing else of the document any more.
    pub fn into_entries(self) -> impl Iterator<Item = Entry> {
        for slot in &self.entries {
            self.decoded(slot);
        }
        self.entries.into_iter().filter_map(|slot| slot.decoded.into_inner()?.ok())
    }

    /// Looks up an entry; `None` if it is absent or malformed.
    #[must_use]
    pub fn entry(&self, key: &EntryKey) -> Option<&Entry> {
        self.decoded(self.last(key)?).as_ref().ok()
    }

    /// The malformed entries, which are left alone.
    #[must_use]
    pub fn problems(&self) -> &[EntryProblem] {
        self.problems.get_or_init(|| {
            let mut told = Set::new();
            let problem = |slot: &Slot<'a>| {
                let why = self.decoded(slot).as_ref().err()?.clone();
                Some(EntryProblem { key: slot.key.clone(), why })
            };
            self.entries
                .iter()
                .filter_map(problem)
                .filter(|problem| told.insert(problem.key.clone()))
                .collect()
        })
    }

    /// The raw text of an entry, malformed or not; the last one if the key repeats, as the client reads it.
    #[must_use]
    pub fn raw_entry(&self, key: &EntryKey) -> Option<&'a str> {
        self.last(key).map(|slot| slot.raw)
    }

    /// The raw text of an entry that can be refreshed, complete for another document: with the client secret that this one may keep beside
    /// its entries. `None` if it has no refresh token, or cannot be understood.
    #[must_use]
    pub fn portable_entry(&self, key: &EntryKey) -> Option<RawEntry> {
        let raw = self.raw_entry(key)?;
        let entry = self.entry(key).filter(|entry| entry.refresh_token.is_some())?;
        let alone = decode::entry(key, raw, None).ok()?;
        let Some(secret) = entry.client_secret.as_ref().filter(|_| alone.client_secret.is_none()) else {
            return Some(RawEntry::new(raw));
        };
        let secret = Zeroizing::new(serde_json::to_string(secret.expose()).ok()?);
        let open = raw.trim_ascii().strip_suffix('}')?.trim_ascii_end();
        let member = Zeroizing::new(format!("{open},\"clientSecret\":{}}}", secret.as_str()));
        Some(RawEntry::from(member))
    }

    pub(crate) fn find(&self, key: &EntryKey) -> Found<'a> {
        match self.last(key) {
            None => Found::Absent,
            Some(slot) if slot.twice => Found::Twice,
            Some(slot) => Found::Once(slot.raw, self.decoded(slot).is_ok()),
        }
    }

    /// The entry with this key; the last one if the key repeats.
    fn last(&self, key: &EntryKey) -> Option<&Slot<'a>> {
        let is_up_to = |number: &usize| self.entries.get(*number).is_some_and(|slot| slot.key <= *key);
        let end = self.sorted.partition_point(is_up_to);
        let slot = self.entries.get(*self.sorted.get(end.checked_sub(1)?)?)?;
        (slot.key == *key).then_some(slot)
    }
}

impl<'a> Slot<'a> {
    fn new(member: Member<'a>) -> Self {
        let key = EntryKey::new(member.key.into_owned());
        Self { key, raw: member.value, twice: false, decoded: OnceCell::new() }
    }
}

impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.text.len())
            .field("entries", &self.entries.len())
            .field("problems", &self.problems())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
