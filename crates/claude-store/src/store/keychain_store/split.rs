//! A document in two items: made one of, and made two of again.
//!
//! Both are text in, text out. What is not changed keeps its bytes, in whichever of the items it stands.

use super::overflow::{NotSealed, Pointer, sealed_len};
use crate::json::{Member, Object, describe, span_in};
use crate::{Change, Document, EntryKey, KEYCHAIN_OVERFLOW as MEMBER, RawEntry};
use compact::Arrange as _;
use compact::Set;
use oauth_secret::SecretBytes;
use std::ops::Range;

const ENTRIES: &str = "mcpOAuth";
const CONFIGS: &str = "mcpOAuthClientConfig";

/// Both items as they were read.
pub(crate) struct Split {
    /// The main item's text.
    pub(super) main: SecretBytes,
    /// What the overflow item holds, opened.
    pub(super) sections: SecretBytes,
    pub(super) pointer: Pointer,
}

/// Both items as they are to be written.
pub(super) struct Written {
    pub(super) main: SecretBytes,
    /// The content of the overflow item that the main one then names; `None` where that stays as it is.
    pub(super) overflow: Option<(Pointer, SecretBytes)>,
}

/// The new document cannot be divided.
#[derive(Debug)]
pub(super) enum NotSplit {
    /// It says of an entry what cannot be said in two items.
    Odd,
    /// The system gives no random numbers.
    NotSealed,
}

impl From<NotSealed> for NotSplit {
    fn from(_: NotSealed) -> Self {
        Self::NotSealed
    }
}

/// The value of `keychainOverflow` in the main item; `None` where it is a whole document.
pub(crate) fn member(text: &str) -> Option<String> {
    if !text.contains(MEMBER) {
        return None;
    }
    let root = Object::parse(text).ok()?;
    let member = root.members.iter().rev().find(|member| member.key == MEMBER)?;
    (describe(member.value) != "null").then(|| member.value.to_owned())
}

impl Split {
    /// The whole document, as the client puts it together: an entry counts where it stands in the main item with an access token,
    /// else unchanged from the other. `None` if one of the texts is not a document.
    pub(super) fn merged(&self) -> Option<SecretBytes> {
        let (main, sections) = self.objects()?;
        let mut merged = Builder::new(self.main.len() + self.sections.len());
        for member in main.members.iter().filter(|member| !matches!(&*member.key, MEMBER | ENTRIES | CONFIGS))
        {
            merged.member(member.raw_key, member.value);
        }
        for name in [ENTRIES, CONFIGS] {
            let wins = |member: &Member<'_>| name == CONFIGS || has_access_token(member.value);
            let (here, there) = (inner(&main, name)?, inner(&sections, name)?);
            if find(&main, name).is_none() && there.is_empty() {
                continue;
            }
            let known: Set<_> = there.iter().map(|member| &member.key).collect();
            let mut object = Builder::new(self.main.len() + self.sections.len());
            let kept = here.iter().filter(|member| wins(member) || !known.contains(&member.key));
            let kept: Vec<_> = kept.collect();
            let taken: Set<_> = kept.iter().map(|member| &member.key).collect();
            let added = there.iter().filter(|member| !taken.contains(&member.key));
            for member in kept.iter().copied().chain(added) {
                object.member(member.raw_key, member.value);
            }
            merged.member(&format!("\"{name}\""), std::str::from_utf8(&object.finish()).ok()?);
        }
        Some(merged.finish())
    }

    /// Both items for a new document that was made of the merged one: each changed entry goes where the old one stands. Where the
    /// main item would not fit any more, its largest entries move to the other, as the client does it.
    pub(super) fn divide(
        &self,
        before: &[u8],
        after: &[u8],
        fits: impl Fn(usize) -> bool,
    ) -> Result<Written, NotSplit> {
        let odd = |_| NotSplit::Odd;
        let (before, after) = (Document::parse(before).map_err(odd)?, Document::parse(after).map_err(odd)?);
        let (mut in_main, mut in_overflow) = (Vec::new(), Vec::new());
        let (main, sections) = self.objects().ok_or(NotSplit::Odd)?;
        let overflown = inner(&sections, ENTRIES).ok_or(NotSplit::Odd)?;
        let of_main = inner(&main, ENTRIES).ok_or(NotSplit::Odd)?;
        if before.keys().any(|key| after.raw_entry(key).is_none()) {
            // Nothing of this program removes an entry.
            return Err(NotSplit::Odd);
        }
        for key in after.keys() {
            let (old, new) = (before.raw_entry(key), after.raw_entry(key).unwrap_or_default());
            if old == Some(new) {
                continue;
            }
            let raw = RawEntry::new(new);
            let counts_here =
                of_main.iter().any(|member| member.key == key.as_str() && has_access_token(member.value));
            let change = match old {
                Some(_) => Change::Restore { members: raw },
                None => Change::Reinsert { raw },
            };
            let is_there = overflown.iter().any(|member| member.key == key.as_str());
            if is_there && !counts_here { &mut in_overflow } else { &mut in_main }
                .push((key.clone(), change));
        }
        let mut main = spliced(&self.main, &in_main)?;
        let mut sections_changed = !in_overflow.is_empty();
        let mut sections = spliced(&self.sections, &in_overflow)?;
        if !fits(main.len()) {
            (main, sections) = relocate(&main, &sections, fits).ok_or(NotSplit::Odd)?;
            sections_changed = true;
        }
        if !sections_changed {
            return Ok(Written { main, overflow: None });
        }
        let pointer = Pointer::new(self.pointer.slot.other())?;
        let main = pointing_to(&main, &pointer).ok_or(NotSplit::Odd)?;
        let sealed = pointer.seal(&sections)?;
        Ok(Written { main, overflow: Some((pointer, sealed)) })
    }

    /// Bytes of the main item when every entry has moved, and of the overflow item then.
    pub(super) fn extremes(&self) -> Option<(usize, usize)> {
        let root = Object::parse(std::str::from_utf8(&self.main).ok()?).ok()?;
        let moving: usize =
            [ENTRIES, CONFIGS].iter().filter_map(|name| Some(find(&root, name)?.value.len())).sum();
        Some((self.main.len() - moving, sealed_len(self.sections.len() + moving)))
    }

    fn objects(&self) -> Option<(Object<'_>, Object<'_>)> {
        let main = Object::parse(std::str::from_utf8(&self.main).ok()?).ok()?;
        let sections = Object::parse(std::str::from_utf8(&self.sections).ok()?).ok()?;
        let twice = |name: &str| main.members.iter().filter(|member| member.key == name).count() > 1;
        (!twice(ENTRIES)).then_some((main, sections))
    }
}

fn spliced(text: &[u8], changes: &[(EntryKey, Change)]) -> Result<SecretBytes, NotSplit> {
    if changes.is_empty() {
        return Ok(SecretBytes::from(text));
    }
    let document = Document::part(text).map_err(|_| NotSplit::Odd)?;
    document.splice(changes).map_err(|_| NotSplit::Odd)
}

/// Moves the fewest of the largest entries, each with its client's configuration.
fn relocate(
    main: &[u8],
    sections: &[u8],
    fits: impl Fn(usize) -> bool,
) -> Option<(SecretBytes, SecretBytes)> {
    let text = std::str::from_utf8(main).ok()?;
    let root = Object::parse(text).ok()?;
    let entries = inner(&root, ENTRIES)?;
    let mut largest: Vec<(&str, usize)> =
        entries.iter().map(|member| (&*member.key, member.value.len())).collect();
    largest.arrange_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let without = |moved: &Set<&str>| {
        let edits = [ENTRIES, CONFIGS].into_iter().filter_map(|name| {
            let member = find(&root, name)?;
            let kept = inner(&root, name)?;
            let mut object = Builder::new(member.value.len());
            for member in kept.iter().filter(|member| !moved.contains(&*member.key)) {
                object.member(member.raw_key, member.value);
            }
            Some((span_in(text, member.value), object.finish()))
        });
        replaced(text, edits.collect())
    };
    let mut moved = Set::new();
    let mut order = Vec::new();
    for (key, _) in largest {
        if fits(without(&moved).len()) {
            break;
        }
        moved.insert(key);
        order.push(key);
    }
    if !fits(without(&moved).len()) {
        return None;
    }
    for key in order.into_iter().rev() {
        moved.remove(key);
        if !fits(without(&moved).len()) {
            moved.insert(key);
        }
    }
    Some((without(&moved), with(sections, &root, &moved)?))
}

/// The sections with these entries of the main item in them; what stood there under their keys is older.
fn with(sections: &[u8], main: &Object<'_>, moved: &Set<&str>) -> Option<SecretBytes> {
    let old = Object::parse(std::str::from_utf8(sections).ok()?).ok()?;
    let mut new = Builder::new(sections.len() + main.raw.len());
    for member in old.members.iter().filter(|member| !matches!(&*member.key, ENTRIES | CONFIGS)) {
        new.member(member.raw_key, member.value);
    }
    for name in [ENTRIES, CONFIGS] {
        let moving = inner(main, name)?;
        let moving: Vec<_> = moving.iter().filter(|member| moved.contains(&*member.key)).collect();
        let there = inner(&old, name)?;
        if there.is_empty() && moving.is_empty() {
            continue;
        }
        let mut object = Builder::new(sections.len() + main.raw.len());
        let stays = |member: &&Member<'_>| !moving.iter().any(|moving| moving.key == member.key);
        for member in there.iter().filter(stays).chain(moving.iter().copied()) {
            object.member(member.raw_key, member.value);
        }
        new.member(&format!("\"{name}\""), std::str::from_utf8(&object.finish()).ok()?);
    }
    Some(new.finish())
}

/// The main item with another slot and key in its `keychainOverflow`; what else stands in there is the client's.
fn pointing_to(main: &[u8], pointer: &Pointer) -> Option<SecretBytes> {
    let text = std::str::from_utf8(main).ok()?;
    let root = Object::parse(text).ok()?;
    let object = Object::parse(root.members.iter().rev().find(|member| member.key == MEMBER)?.value).ok()?;
    let span = |name: &str| {
        let member = object.members.iter().rev().find(|member| member.key == name)?;
        Some(span_in(text, member.value))
    };
    let quoted = |value: &[u8]| SecretBytes::from([b"\"", value, b"\""].concat());
    let edits = vec![
        (span("slot")?, quoted(pointer.slot.letter().as_bytes())),
        (span("key")?, quoted(&pointer.key_text())),
    ];
    Some(replaced(text, edits))
}

/// The members of an object in an object; none where it is absent or null, `None` where it is something else.
fn inner<'a>(object: &Object<'a>, name: &str) -> Option<Vec<Member<'a>>> {
    match find(object, name) {
        None => Some(Vec::new()),
        Some(member) if describe(member.value) == "null" => Some(Vec::new()),
        Some(member) => Object::parse(member.value).ok().map(|object| object.members),
    }
}

/// The member of this name; of several the last, as the client reads it.
fn find<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o Member<'a>> {
    object.members.iter().rev().find(|member| member.key == name)
}

fn has_access_token(raw: &str) -> bool {
    let Ok(entry) = Object::parse(raw) else { return false };
    find(&entry, "accessToken").is_some_and(|token| !matches!(token.value, "\"\"" | "null" | "false" | "0"))
}

/// The text with parts of it replaced.
fn replaced(text: &str, mut edits: Vec<(Range<usize>, SecretBytes)>) -> SecretBytes {
    edits.arrange_by_key(|(range, _)| range.start);
    let added: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut all = SecretBytes::with_capacity(text.len() + added);
    let mut done = 0;
    for (range, new) in edits {
        all.extend_from_slice(text.as_bytes().get(done..range.start).unwrap_or_default());
        all.extend_from_slice(&new);
        done = range.end;
    }
    all.extend_from_slice(text.as_bytes().get(done..).unwrap_or_default());
    all
}

/// An object put together of raw members, in room that does not grow.
struct Builder(SecretBytes);

impl Builder {
    fn new(room: usize) -> Self {
        let mut text = SecretBytes::with_capacity(room + 64);
        text.push(b'{');
        Self(text)
    }

    fn member(&mut self, raw_key: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.extend_from_slice(raw_key.as_bytes());
        self.0.push(b':');
        self.0.extend_from_slice(value.as_bytes());
    }

    fn finish(mut self) -> SecretBytes {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests;
