mod edit;

use crate::EntryKey;
use crate::document::change::{Change, RawEntry, SpliceError};
use crate::document::{Document, Found};
use crate::json::Object;
use compact::Arrange as _;
use edit::{Edits, EntryEdit};
use oauth_secret::SecretBytes;

impl Document<'_> {
    /// Returns the document with these changes spliced in; every byte outside the changed members stays.
    ///
    /// A single pass, whatever the number of changes.
    ///
    /// # Errors
    /// [`SpliceError`] names the entry and the reason. No change is applied in that case.
    pub fn splice(&self, changes: &[(EntryKey, Change)]) -> Result<SecretBytes, SpliceError> {
        splice(self, changes)
    }
}

fn splice(document: &Document<'_>, changes: &[(EntryKey, Change)]) -> Result<SecretBytes, SpliceError> {
    let mut keys: Vec<&EntryKey> = changes.iter().map(|(key, _)| key).collect();
    keys.arrange();
    if let Some(key) = keys.iter().zip(keys.iter().skip(1)).find_map(|(a, b)| (a == b).then_some(*a)) {
        return Err(SpliceError::Twice(key.clone()));
    }
    let mut edits = Edits::new(document.text);
    let mut appended = Vec::new();
    for (key, change) in changes {
        match change {
            Change::Tokens(tokens) => {
                let mut entry = edit_of(document, key)?;
                entry.tokens(tokens);
                entry.finish(&mut edits);
            }
            Change::Heal { tokens, client_id, issuer, redirect_uri, scope } => {
                let mut entry = edit_of(document, key)?;
                entry.tokens(tokens);
                entry.fill("clientId", client_id.as_deref());
                entry.fill("issuer", issuer.as_deref());
                entry.fill("redirectUri", redirect_uri.as_deref());
                entry.fill("scope", scope.as_deref());
                entry.finish(&mut edits);
            }
            Change::Empty => {
                let mut entry = edit_of(document, key)?;
                entry.empty();
                entry.finish(&mut edits);
            }
            Change::Restore { members } => {
                let Found::Once(raw, _) = document.find(key) else {
                    return Err(unfound(document, key));
                };
                let text = checked(key, members)?;
                edits.replace(raw, SecretBytes::from(text.as_bytes()));
            }
            Change::Remove => {
                let Found::Once(raw, _) = document.find(key) else {
                    return Err(unfound(document, key));
                };
                if changes.len() > 1 {
                    return Err(SpliceError::NotAlone(key.clone()));
                }
                edits.remove_entry(raw);
            }
            Change::Reinsert { raw } => {
                if !matches!(document.find(key), Found::Absent) {
                    return Err(SpliceError::Present(key.clone()));
                }
                appended.push((key, checked(key, raw)?));
            }
        }
    }
    if !appended.is_empty() {
        edits.append_entries(&appended);
    }
    Ok(edits.apply())
}

fn edit_of<'a>(document: &Document<'a>, key: &EntryKey) -> Result<EntryEdit<'a>, SpliceError> {
    match document.find(key) {
        Found::Once(raw, true) => {
            Object::parse(raw).map(EntryEdit::new).map_err(|_| SpliceError::Problem(key.clone()))
        }
        Found::Once(_, false) | Found::Twice | Found::Absent => Err(unfound(document, key)),
    }
}

fn unfound(document: &Document<'_>, key: &EntryKey) -> SpliceError {
    match document.find(key) {
        Found::Absent => SpliceError::Absent(key.clone()),
        Found::Once(..) | Found::Twice => SpliceError::Problem(key.clone()),
    }
}

fn checked<'r>(key: &EntryKey, raw: &'r RawEntry) -> Result<&'r str, SpliceError> {
    let text = raw.expose().trim_ascii();
    Object::parse(text).map_err(|_| SpliceError::NotAnObject(key.clone()))?;
    Ok(text)
}

#[cfg(test)]
mod tests;
