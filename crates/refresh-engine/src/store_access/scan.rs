//! One scan of the store: finds entries that are new, changed, gone or broken.

use crate::decide::memory::{Disappearance, DocumentChange, Heal, Vanished, disappearance};
use crate::store_access::entry_state::EntryState;
use crate::store_access::reading::{Unreadable, document};
use crate::store_access::settlement::close_superseded;
use crate::store_access::shared::Shared;
use crate::{Event, ObservedEntry, Partners};
use claude_store::{Document, Entry, EntryKey, Incomplete, KEYCHAIN_OVERFLOW, Snapshot, StubKind};
use compact::Set;
use oauth_secret::TokenDigest;
use std::cell::OnceCell;
use std::rc::Rc;

/// Takes note of what the store holds, and returns malformed entries: key, and why. If the store cannot be read, nothing is
/// forgotten.
pub(crate) fn scan<P: Partners>(
    shared: &Shared<P>,
    read: Result<Snapshot, Unreadable>,
) -> Result<Vec<(String, String)>, Unreadable> {
    if read.as_ref().is_err_and(Unreadable::is_absent) {
        note_deleted(shared);
    }
    let snapshot = read?;
    let document = document(&shared.store, &snapshot)?;
    let mut odd = Vec::new();
    let mut present = Set::new();
    let spent = OnceCell::new();
    for problem in document.problems() {
        // A malformed entry is not gone: nothing is forgotten.
        present.insert(problem.key.clone());
        shared.state(&problem.key, |state| state.current = None);
        odd.push((problem.key.to_string(), problem.why.to_string()));
    }
    for entry in document.entries() {
        if shared.disregarded.borrow().contains(&entry.key) {
            if entry.is_stub() {
                // What a session leaves that found nothing. The login is elsewhere.
                continue;
            }
            if entry.refresh_token.is_some() {
                shared.returned.notify_one();
            }
        }
        present.insert(entry.key.clone());
        let unchanged = shared.state(&entry.key, |state| {
            state.remember(entry, document.raw_entry(&entry.key));
            state.current.as_ref().is_some_and(|current| current.entry == *entry)
        });
        if !unchanged {
            let seen = ObservedEntry::new(entry.clone());
            note_spent(shared, &seen, || spent.get_or_init(|| shared.records.spent_tokens()));
            take_note(shared, seen);
        }
    }
    match document.incomplete() {
        None => {
            let had_account = shared.account_login.replace(document.has_account_login());
            let change = DocumentChange {
                deleted: shared.deleted.take(),
                account_gone: had_account && !document.has_account_login(),
                entries_left: present.len(),
            };
            note_missing(shared, &present, change);
        }
        Some(why) => odd.extend(hidden(shared, &present, why)),
    }
    shared.scanned.set(true);
    Ok(odd)
}

/// I1: a token that another entry has exchanged is spent here, too. A folder may be a copy of another, or come from a backup.
fn note_spent<'s, P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    spent: impl FnOnce() -> &'s Set<TokenDigest>,
) {
    let Some(refresh) = seen.refresh else { return };
    let key = &seen.entry.key;
    let known = shared.read_record(key, |record| record.refresh == Some(refresh) || record.is_spent(refresh));
    if !known && spent().contains(&refresh) {
        shared.change_record(key, |record| record.spend(refresh));
    }
}

/// Takes note of an entry that its own transaction found changed. An old client may write an older document over
/// it before the next scan, and only what was seen can be restored.
pub(crate) fn note_found<P: Partners>(shared: &Shared<P>, found: &ObservedEntry) {
    let known = shared.state(&found.entry.key, |state| {
        state.current.as_ref().is_some_and(|current| current.entry == found.entry)
    });
    // An entry without tokens may be gone or about to come: the next scan will tell.
    if !known && found.refresh.is_some() {
        let spent = OnceCell::new();
        note_spent(shared, found, || spent.get_or_init(|| shared.records.spent_tokens()));
        take_note(shared, found.clone());
    }
}

/// An entry that is new or changed since the last scan.
fn take_note<P: Partners>(shared: &Shared<P>, seen: ObservedEntry) {
    let key = &seen.entry.key.clone();
    if !seen.entry.is_stub() {
        shared.vanished.borrow_mut().remove(key);
    }
    if shared.state(key, |state| seen.access.is_some() && state.writing == seen.access) {
        // Its transaction notes it as its own once it is durable.
        return;
    }
    let (before, unchanged) = shared.state(key, |state| {
        let current = state.current.as_ref();
        (current.map(|current| current.refresh), current.is_some_and(|current| current.holds_same(&seen)))
    });
    if !unchanged {
        tell_held(shared, &seen);
    }
    if seen.entry.stub_kind() == Some(StubKind::LoggedOut) {
        // A logout, though its moment of absence was missed (I5).
        shared.state(key, EntryState::forget_run);
        // Where the whole document was missing, the stub is what the next session leaves, and no logout from this server.
        let kept = shared.deleted.get().then(|| keep(shared, key)).flatten();
        shared.state(key, |state| drop(state.take_memory()));
        if let Some(server) = kept {
            shared.tell_store(Event::VanishedTogether { servers: vec![server] });
        }
    }
    let now = shared.now();
    let heal = shared.state(key, |state| {
        state.note_stub(&seen, now);
        if seen.entry.is_stub() {
            state.note_emptied();
        }
        let stub_for = shared.stub_for(state, now);
        shared.read_record(key, |record| state.heal(&seen, stub_for, record))
    });
    if heal != Heal::Nothing {
        // Do not remember a broken entry. The next plan heals it, or the running transaction.
        shared.state(key, |state| state.current = Some(Rc::new(seen)));
        return;
    }
    let known = shared.change_record(key, |record| {
        let known = record.refresh == seen.refresh;
        record.observe(now, &seen);
        // Entries found at the first scan may be of any age.
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
    let seen = Rc::new(seen);
    shared.state(key, |state| {
        if live {
            state.last_live = Some(Rc::clone(&seen));
        }
        state.current = Some(seen);
    });
}

/// Entries missing from an incomplete document are not gone: nothing is forgotten, and nothing is done about them.
fn hidden<P: Partners>(
    shared: &Shared<P>,
    present: &Set<EntryKey>,
    why: &Incomplete,
) -> Vec<(String, String)> {
    let mut hidden = vec![(KEYCHAIN_OVERFLOW.to_owned(), why.to_string())];
    for (key, state) in shared.entries.borrow_mut().iter_mut() {
        if !present.contains(key) && (state.current.take().is_some() || state.last_live.is_some()) {
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

/// Takes note only of entries without tokens while their transaction runs: the transaction itself notes what it writes.
pub(crate) fn note_emptied<P: Partners>(shared: &Shared<P>, document: &Document<'_>) {
    for (key, state) in shared.entries.borrow_mut().iter_mut() {
        if document.entry(key).is_none_or(Entry::is_stub) {
            state.note_emptied();
        }
    }
}

/// The whole document is gone: `claude auth logout` deletes it with all logins, and an unmounted disk looks the same.
/// Nothing is forgotten yet; a running transaction learns that what comes back later is another login (I5).
fn note_deleted<P: Partners>(shared: &Shared<P>) {
    for state in shared.entries.borrow_mut().values_mut().filter(|state| state.current.is_some()) {
        state.forget_run();
        state.note_emptied();
        shared.deleted.set(true);
    }
}

/// I5: an entry seen absent, even for one read, is forgotten, also in the middle of its transaction. Several gone at once are
/// no logout, and one that went with the whole document or with the account login is none of its own: they are kept in memory for a day, for the
/// user to ask for them.
fn note_missing<P: Partners>(shared: &Shared<P>, present: &Set<EntryKey>, change: DocumentChange) {
    let gone: Vec<EntryKey> = {
        let state = shared.entries.borrow();
        let missing = state.iter().filter(|(key, known)| known.current.is_some() && !present.contains(*key));
        missing.map(|(key, _)| key.clone()).collect()
    };
    let (moved, gone): (Vec<_>, Vec<_>) =
        gone.into_iter().partition(|key| shared.state(key, |state| state.moves));
    moved.iter().for_each(|key| forget(shared, key, Event::Moved));
    let together = match disappearance(gone, change) {
        Disappearance::None => return,
        Disappearance::LoggedOut(gone) => {
            gone.iter().for_each(|key| forget(shared, key, Event::Removed));
            return;
        }
        Disappearance::Together(gone) => gone,
    };
    let mut servers = Vec::new();
    for key in &together {
        match keep(shared, key) {
            Some(server) => servers.push(server),
            // Nothing that could be put back.
            None => shared.tell_key(key, Event::Removed),
        }
        drop_state(shared, key);
    }
    if !servers.is_empty() {
        shared.tell_store(Event::VanishedTogether { servers });
    }
}

/// Keeps what is remembered of an entry for the user to ask for it; returns the server's name. `None` where nothing is.
fn keep<P: Partners>(shared: &Shared<P>, key: &EntryKey) -> Option<String> {
    let (Some(seen), Some(text)) = shared.state(key, EntryState::take_memory) else { return None };
    let server = seen.entry.server_name.clone();
    shared.vanished.borrow_mut().insert(key.clone(), Vanished { seen, text, at: shared.now() });
    Some(server)
}

fn forget<P: Partners>(shared: &Shared<P>, key: &EntryKey, told: Event) {
    shared.tell_key(key, told);
    // Only a stub can have stood there: the user logged out of a server whose login had vanished.
    shared.vanished.borrow_mut().remove(key);
    close_superseded(shared, key, None);
    shared.records.forget(shared.location(), key);
    drop_state(shared, key);
}

fn drop_state<P: Partners>(shared: &Shared<P>, key: &EntryKey) {
    shared.release_held(key);
    let mut entries = shared.entries.borrow_mut();
    let Some(state) = entries.get_mut(key) else { return };
    if state.is_running() {
        // The run ends by itself and sees the mark.
        state.forget_run();
        state.current = None;
        drop(state.take_memory());
    } else {
        entries.remove(key);
    }
}
