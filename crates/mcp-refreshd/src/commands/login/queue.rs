//! Which servers need a login.

use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::wording::visible;
use claude_store::KEYCHAIN_OVERFLOW;

/// One login that only the user can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// Location of its store.
    pub(super) store: String,
    /// Not known of an entry that is not understood.
    key: Option<String>,
    pub(super) name: String,
    /// Why it is needed.
    pub(super) why: String,
    /// The server has forgotten the registration, and the store has to forget it, too.
    logout_first: bool,
}

impl Login {
    /// The subcommands of `claude mcp`, in order.
    pub(super) fn steps(&self) -> &'static [&'static str] {
        if self.logout_first { &["logout", "login"] } else { &["login"] }
    }

    /// Whether it is the login of the same entry.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.store, &self.name, &self.key) == (&other.store, &other.name, &other.key)
    }
}

/// The logins that are needed, of all servers or of those with these names or keys. A named server that needs none is none of them.
///
/// # Errors
/// The first name that no entry has.
pub(super) fn queue<'n>(status: &Status, names: &'n [String]) -> Result<Vec<Login>, &'n str> {
    let fits = |entry: &EntryStatus, name: &str| entry.name == name || entry.key == name;
    let all = || status.stores.iter().flat_map(|store| &store.entries);
    let is_odd = |name: &str| status.stores.iter().flat_map(odd).any(|(odd, _)| odd == name);
    if let Some(name) = names.iter().find(|name| !is_odd(name) && !all().any(|entry| fits(entry, name))) {
        return Err(name);
    }
    let mut logins = Vec::new();
    for store in status.stores.iter().filter(|store| !store.vault) {
        let wanted = |entry: &&EntryStatus| names.is_empty() || names.iter().any(|name| fits(entry, name));
        logins.extend(store.entries.iter().filter(wanted).filter_map(|entry| needed(&store.location, entry)));
        let wanted = |(name, _): &&(String, String)| names.is_empty() || names.contains(name);
        logins.extend(odd(store).filter(wanted).map(|(name, why)| replacing(&store.location, name, why)));
    }
    Ok(logins)
}

/// The logins in the vault or the cluster that need the user, with what to type: `claude mcp login` alone does not get there.
pub(super) fn in_vault(status: &Status) -> Vec<String> {
    let stores = status.stores.iter().filter(|store| store.vault);
    let entries = stores.flat_map(|store| store.entries.iter().map(move |entry| (store, entry)));
    let told = entries.filter_map(|(store, entry)| {
        let action = entry.action.as_ref()?;
        let place = if store.is_of_cluster() { "cluster" } else { "vault" };
        Some(format!(
            "{}: its login is in the {place}; to log in again, type: {action}",
            visible(&entry.name)
        ))
    });
    told.collect()
}

/// The entries that are not understood and that a login replaces: in the vault none does, nor for what the Keychain hides.
fn odd(store: &StoreStatus) -> impl Iterator<Item = &(String, String)> {
    store.odd.iter().filter(|(name, _)| !store.vault && name != KEYCHAIN_OVERFLOW)
}

fn replacing(store: &str, name: &str, why: &str) -> Login {
    Login {
        store: store.to_owned(),
        key: None,
        name: name.to_owned(),
        why: format!("not understood: {why}"),
        logout_first: false,
    }
}

/// The status without the entries that are in the queue.
pub(super) fn not_queued(mut status: Status) -> Status {
    for store in &mut status.stores {
        let queued: Vec<_> = odd(store).cloned().collect();
        store.odd.retain(|entry| !queued.contains(entry));
    }
    status
}

fn needed(store: &str, entry: &EntryStatus) -> Option<Login> {
    let action = entry.action.as_ref().filter(|action| action.contains("claude mcp login"))?;
    Some(Login {
        store: store.to_owned(),
        key: Some(entry.key.clone()),
        name: entry.name.clone(),
        // Only a login that still lasts is without a reason.
        why: entry.why.clone().unwrap_or_else(|| "this login ends within a day".to_owned()),
        logout_first: action.contains("claude mcp logout"),
    })
}
