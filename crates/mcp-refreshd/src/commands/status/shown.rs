//! What of a status is shown to people.

use crate::control::report::{EntryStatus, Facts, Status, StoreStatus};
use crate::terminal::remedy::{how_to_repair, login};
use claude_store::KEYCHAIN_OVERFLOW;
use refresh_engine::State;
use std::borrow::Cow;

/// The status with a row for each entry that is not understood, as it needs a login as much as any; and without a vault that holds nothing.
pub(super) fn shown(status: &Status) -> Cow<'_, Status> {
    if !status.stores.iter().any(|store| is_empty_vault(store) || !store.odd.is_empty()) {
        return Cow::Borrowed(status);
    }
    let mut status = status.clone();
    status.stores.retain(|store| !is_empty_vault(store));
    for store in &mut status.stores {
        let rows: Vec<_> = store.odd.iter().map(|(name, why)| row(name, why, &store.location)).collect();
        store.entries.extend(rows);
    }
    Cow::Owned(status)
}

fn is_empty_vault(store: &StoreStatus) -> bool {
    let empty = store.entries.is_empty() && store.odd.is_empty() && store.vanished.is_empty();
    store.vault && !store.is_of_cluster() && empty && store.unreadable.is_none() && store.journal_open == 0
}

/// Its key is not known: an agent tells the name.
fn row(name: &str, why: &str, store: &str) -> EntryStatus {
    // No login helps against that one.
    let hidden = name == KEYCHAIN_OVERFLOW;
    let cure = if hidden { format!("; {}", how_to_repair(name, store)) } else { String::new() };
    EntryStatus {
        key: String::new(),
        name: name.to_owned(),
        url: None,
        state: State::NeedsPerson,
        expires_at: None,
        next_refresh_at: None,
        margin_s: None,
        access: None,
        refresh: None,
        last: None,
        waits_for: None,
        unsaved: None,
        why: Some(format!("left alone, as it is not understood: {why}{cure}")),
        action: (!hidden).then(|| login(name, store)),
        facts: Facts::default(),
    }
}
