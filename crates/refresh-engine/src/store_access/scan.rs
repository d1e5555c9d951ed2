//! One look at the store: what is there, what is new, what is gone, what is broken.

use crate::decide::memory::{Disappearance, Heal, Vanished, disappearance};
use crate::store_access::settlement::close_superseded;
use crate::store_access::shared::Shared;
use crate::store_access::tracked::Tracked;
use crate::{Event, ObservedEntry, Partners};
use claude_store::{Document, Entry, EntryKey, Incomplete, KEYCHAIN_OVERFLOW, ReadError, Snapshot, StubKind};
use oauth_secret::TokenDigest;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// What a look found that wants doing.
#[derive(Default)]
pub(crate) struct Findings {
    /// Why the store cannot be read.
    pub(crate) unreadable: Option<Unreadable>,
    /// Entries that are not understood: key, and why.
    pub(crate) odd: Vec<(String, String)>,
}

/// Why the store cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Path, cause and cure.
    pub(crate) why: String,
    /// There simply is no document yet.
    pub(crate) absent: bool,
}

/// Takes note of what the store holds. Where it cannot be read, nothing is forgotten.
pub(crate) fn scan<P: Partners>(shared: &Shared<P>, read: Result<Snapshot, ReadError>) -> Findings {
    let snapshot = match read {
        Ok(snapshot) => snapshot,
        Err(error) => {
            let absent = matches!(error, ReadError::Absent { .. });
            if absent {
                note_deleted(shared);
            }
            return Findings {
                unreadable: Some(Unreadable { why: error.to_string(), absent }),
                ..Findings::default()
            };
        }
    };
    let document = match snapshot.document() {
        Ok(document) => document,
        Err(error) => {
            let why = format!("{}: {error}", shared.location());
            return Findings { unreadable: Some(Unreadable { why, absent: false }), ..Findings::default() };
        }
    };
    let mut findings = Findings::default();
    let mut present = BTreeSet::new();
    let spent = OnceCell::new();
    for problem in document.problems() {
        // An entry that is there in an odd form is not gone: nothing is forgotten.
        present.insert(problem.key.clone());
        shared.track(&problem.key, |tracked| tracked.current = None);
        findings.odd.push((problem.key.to_string(), problem.why.to_string()));
    }
    for entry in document.entries() {
        present.insert(entry.key.clone());
        let unchanged = shared.track(&entry.key, |tracked| {
            tracked.remember(entry, document.raw_entry(&entry.key));
            tracked.current.as_ref().is_some_and(|current| current.entry == *entry)
        });
        if !unchanged {
            let seen = ObservedEntry::new(entry.clone());
            note_spent(shared, &seen, || spent.get_or_init(|| shared.records.spent_tokens()));
            take_note(shared, seen);
        }
    }
    match document.incomplete() {
        None => note_missing(shared, &present),
        Some(why) => findings.odd.extend(hidden(shared, &present, why)),
    }
    shared.scanned.set(true);
    findings
}

/// I1: a token that another entry exchanged is spent here, too. A folder may be a copy of another, or come from a backup.
fn note_spent<'s, P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    spent: impl FnOnce() -> &'s BTreeSet<TokenDigest>,
) {
    let Some(refresh) = seen.refresh else { return };
    let key = &seen.entry.key;
    let known = shared.read_record(key, |record| record.refresh == Some(refresh) || record.is_spent(refresh));
    if !known && spent().contains(&refresh) {
        shared.change_record(key, |record| record.spend(refresh));
    }
}

/// Takes note of an entry that a transaction of its own found to be another than the one it knows. An old client may write an older document over
/// it before the next look, and only what was seen can be put back.
pub(crate) fn note_found<P: Partners>(shared: &Shared<P>, found: &ObservedEntry) {
    let known = shared.track(&found.entry.key, |tracked| {
        tracked.current.as_ref().is_some_and(|current| current.entry == found.entry)
    });
    // What holds no tokens may be gone or on its way: the next look tells.
    if !known && found.refresh.is_some() {
        let spent = OnceCell::new();
        note_spent(shared, found, || spent.get_or_init(|| shared.records.spent_tokens()));
        take_note(shared, found.clone());
    }
}

/// An entry that is new, or other than at the last look.
fn take_note<P: Partners>(shared: &Shared<P>, seen: ObservedEntry) {
    let key = &seen.entry.key.clone();
    shared.vanished.borrow_mut().remove(key);
    if shared.track(key, |tracked| seen.access.is_some() && tracked.writing == seen.access) {
        // Its transaction notes it as its own, once it is durable.
        return;
    }
    let (before, unchanged) = shared.track(key, |tracked| {
        let current = tracked.current.as_ref();
        (current.map(|current| current.refresh), current.is_some_and(|current| current.holds_same(&seen)))
    });
    if !unchanged {
        tell_held(shared, &seen);
    }
    if seen.entry.stub_kind() == Some(StubKind::LoggedOut) {
        // A logout, though its moment of absence was missed (I5).
        shared.track(key, |tracked| {
            tracked.forgotten.set(true);
            drop(tracked.take_memory());
        });
    }
    let now = shared.now();
    let heal = shared.track(key, |tracked| {
        tracked.stub_since = seen.entry.is_stub().then(|| tracked.stub_since.unwrap_or(now));
        tracked.emptied |= seen.entry.is_stub();
        shared.read_record(key, |record| tracked.heal(&seen, now, record))
    });
    if heal != Heal::Nothing {
        // What is broken must not become what is remembered. The next plan mends it, or the transaction that runs.
        shared.track(key, |tracked| tracked.current = Some(seen));
        return;
    }
    let known = shared.change_record(key, |record| {
        let known = record.refresh == seen.refresh;
        record.observe(now, &seen);
        // What is found at the first look may be of any age.
        if !known && shared.scanned.get() {
            record.landed_at = Some(now.wall);
        }
        known
    });
    close_superseded(shared, key, seen.refresh);
    shared.release_held(key);
    if !known || before.is_some_and(|before| before != seen.refresh) {
        let before = before.flatten().map(|refresh| refresh.fingerprint());
        let now = seen.refresh.map(|refresh| refresh.fingerprint());
        shared.tell(&seen, Event::Adopted { before, now });
    }
    let live = seen.refresh.is_some()
        && !seen.refresh.is_some_and(|refresh| shared.read_record(key, |record| record.is_spent(refresh)));
    shared.track(key, |tracked| {
        if live {
            tracked.last_live = Some(seen.clone());
        }
        tracked.current = Some(seen);
    });
}

/// Entries that a document which is not whole does not show are not gone: nothing is forgotten, and nothing is done about them.
fn hidden<P: Partners>(
    shared: &Shared<P>,
    present: &BTreeSet<EntryKey>,
    why: &Incomplete,
) -> Vec<(String, String)> {
    let mut hidden = vec![(KEYCHAIN_OVERFLOW.to_owned(), why.to_string())];
    for (key, tracked) in shared.tracked.borrow_mut().iter_mut() {
        if !present.contains(key) && (tracked.current.take().is_some() || tracked.last_live.is_some()) {
            hidden.push((key.to_string(), why.to_string()));
        }
    }
    hidden
}

fn tell_held<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) {
    let held = Event::Held {
        access: seen.access.map(|access| access.fingerprint()),
        refresh: seen.refresh.map(|refresh| refresh.fingerprint()),
        expires_at: seen.expiry.moment(),
        stub: seen.entry.stub_kind(),
    };
    shared.tell(seen, held);
}

/// Takes note of entries that hold no tokens while a transaction of theirs runs, and of nothing else: what it writes is its own to note.
pub(crate) fn note_emptied<P: Partners>(shared: &Shared<P>, document: &Document<'_>) {
    for (key, known) in shared.tracked.borrow_mut().iter_mut().filter(|(_, known)| known.running) {
        known.emptied |= document.entry(key).is_none_or(Entry::is_stub);
    }
}

/// The whole document is gone: `claude auth logout` deletes it, with every login in it, and a disk that is not mounted looks the same.
/// Nothing is forgotten yet; a transaction that runs learns that whatever comes back later is another login (I5).
fn note_deleted<P: Partners>(shared: &Shared<P>) {
    for known in shared.tracked.borrow_mut().values_mut().filter(|known| known.current.is_some()) {
        known.forgotten.set(true);
        known.emptied = true;
        shared.deleted.set(true);
    }
}

/// I5: an entry seen absent, even for one read, is forgotten, also in the middle of its transaction. Several gone at once are
/// no logout, and one that went with the whole document none of its own: they are kept in memory for a day, for a person to ask for them.
fn note_missing<P: Partners>(shared: &Shared<P>, present: &BTreeSet<EntryKey>) {
    let gone: Vec<EntryKey> = {
        let tracked = shared.tracked.borrow();
        let missing =
            tracked.iter().filter(|(key, known)| known.current.is_some() && !present.contains(*key));
        missing.map(|(key, _)| key.clone()).collect()
    };
    let keep = match disappearance(gone, shared.deleted.take()) {
        Disappearance::None => return,
        Disappearance::LoggedOut(gone) => {
            gone.iter().for_each(|key| forget(shared, key));
            return;
        }
        Disappearance::Together(gone) => gone,
    };
    let now = shared.now();
    let mut servers = Vec::new();
    for key in &keep {
        if let (Some(seen), Some(text)) = shared.track(key, Tracked::take_memory) {
            servers.push(seen.entry.server_name.clone());
            shared.vanished.borrow_mut().insert(key.clone(), Vanished { seen, text, at: now });
        } else {
            // Nothing that could be put back.
            shared.tell_key(key, Event::Removed);
        }
        drop_tracked(shared, key);
    }
    if servers.is_empty() {
        return;
    }
    shared.tell_store(Event::VanishedTogether { servers });
}

fn forget<P: Partners>(shared: &Shared<P>, key: &EntryKey) {
    shared.tell_key(key, Event::Removed);
    close_superseded(shared, key, None);
    shared.records.forget(shared.location(), key);
    drop_tracked(shared, key);
}

fn drop_tracked<P: Partners>(shared: &Shared<P>, key: &EntryKey) {
    shared.release_held(key);
    let mut tracked = shared.tracked.borrow_mut();
    let Some(known) = tracked.get_mut(key) else { return };
    known.forgotten.set(true);
    if known.running {
        // The transaction ends by itself and finds the mark.
        known.current = None;
        drop(known.take_memory());
    } else {
        tracked.remove(key);
    }
}
