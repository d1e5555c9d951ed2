//! Which grants may move into the vault, and in words why others may not.

use super::candidate::{Candidate, Stores, folder_of, is_asked_for, known};
use super::helper::{asks_us, helper_for, is_ours, leads_nowhere};
use super::reading::Read;
use super::refused::Refused;
use crate::agent::vault::Vault;
use crate::agent::vault::ledger::Ledger;
use crate::cli::OwnArgs;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use claude_store::{Entry, OsFileSystem, Place, Scope, ServerPlaces, StorageFolder, Store};
use compact::Map;
use std::path::Path;

/// The grants to move into the vault.
///
/// # Errors
/// A store cannot be read, or a name is unknown.
pub(super) async fn to_own(
    args: &OwnArgs,
    stores: &Stores,
    vault: Option<&Vault>,
    ledger: &Ledger,
) -> Result<(Vec<Candidate>, Vec<Refused>), Failure> {
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    let mut all = Vec::new();
    for (folder, store) in stores {
        let read = Read::of(store).await?;
        refused.extend(read.left_alone(args, store));
        all.extend(read.entries.into_iter().map(|entry| (folder, store, entry)));
    }
    let vaulted = match vault {
        Some(vault) => vault.list().await?,
        None => Vec::new(),
    };
    // The same login in two places cannot be in the vault and elsewhere.
    let mut holders = Map::new();
    for (_, _, entry) in &all {
        if let Some(token) = &entry.refresh_token {
            *holders.entry(token.digest()).or_insert(0_usize) += 1;
        }
    }
    for (folder, store, entry) in &all {
        let name = &entry.server_name;
        if !is_asked_for(args, entry) {
            continue;
        }
        // The vault has one place for each key, and neither login may be lost.
        let rivals: Vec<_> = all
            .iter()
            .filter(|(_, _, other)| other.key == entry.key && other.refresh_token.is_some())
            .map(|(_, store, _)| store.location())
            .collect();
        if let (Some(_), [_, _, ..]) = (&entry.refresh_token, rivals.as_slice()) {
            refused.push(Refused::new(name, two_logins(&rivals)));
            continue;
        }
        let shared = entry.refresh_token.as_ref().and_then(|token| holders.get(&token.digest()));
        let kept = vaulted.iter().any(|other| other.key == entry.key);
        if kept && entry.refresh_token.is_none() {
            // What its move left there.
            continue;
        }
        let elsewhere = shared.is_some_and(|count| *count > 1);
        match candidate(folder, store.location(), entry, elsewhere, kept, ledger) {
            Ok(candidate) => candidates.push(candidate),
            Err(why) => {
                let harmless = args.all && entry.refresh_token.is_none();
                refused.push(Refused { harmless, ..Refused::new(name, why) });
            }
        }
    }
    for entry in &vaulted {
        let name = &entry.server_name;
        let taken = candidates.iter().any(|candidate| candidate.key == entry.key)
            || refused.iter().any(|refused| refused.name == *name);
        if !is_asked_for(args, entry) || taken {
            continue;
        }
        match in_vault(entry, ledger, stores) {
            Ok(Some(candidate)) => candidates.push(candidate),
            Ok(None) => {
                let already = Refused::new(name, "its login is in the vault already");
                refused.push(Refused { harmless: true, ..already });
            }
            Err(why) => refused.push(Refused::new(name, why)),
        }
    }
    let names = all.iter().map(|(_, _, entry)| entry).chain(&vaulted).map(|entry| entry.server_name.as_str());
    known(args, &candidates, &refused, names)?;
    Ok((candidates, refused))
}

fn two_logins(stores: &[&str]) -> String {
    format!(
        "{} each hold a login for it, and the vault keeps one for a server; to own one, log the other out (`claude mcp logout`)",
        stores.join(" and ")
    )
}

/// Whether this entry may move into the vault.
fn candidate(
    folder: &StorageFolder,
    store: &str,
    entry: &Entry,
    elsewhere: bool,
    kept: bool,
    ledger: &Ledger,
) -> Result<Candidate, String> {
    let name = &entry.server_name;
    if entry.refresh_token.is_none() {
        let login = remedy::login(name, store);
        return Err(match entry.access_token {
            // The server may give none at the next login either.
            Some(_) => format!(
                "its login has no refresh token, so there is nothing to keep; if the server issues one at a new login, type: {login}"
            ),
            None => format!("there is no login to move; log in first: {login}"),
        });
    }
    let Some(url) = &entry.server_url else {
        return Err(format!("its entry names no URL; log in again: {}", remedy::login(name, store)));
    };
    if name.starts_with("plugin:") {
        return Err("it comes from a plugin, whose files Claude Code replaces with each update; add the server yourself \
                    (`claude mcp add`), log in, and own that one"
            .to_owned());
    }
    if elsewhere {
        return Err("another entry holds the same login (a second name, or a copied folder); log out there, or log in \
                    again here, and try again"
            .to_owned());
    }
    if kept {
        return Err(
            "the vault has a login for it already, and Claude Code's store has another one; give one up: \
                    `mcp-refreshd disown` keeps Claude Code's, `claude mcp logout` keeps the vault's"
                .to_owned(),
        );
    }
    let places =
        ServerPlaces::new(OsFileSystem, folder).find(name, url).map_err(|error| error.to_string())?;
    if places.is_empty() {
        return Err(format!(
            "no configuration in {} or a project's .mcp.json has a server of this name at {}; one that your organization manages \
             cannot be changed",
            folder.user_config_path().display(),
            discreet(url)
        ));
    }
    let (by_hand, places) = parted(places, name, ledger, true);
    fit(&places, &by_hand, name, folder)?;
    Ok(Candidate {
        name: name.clone(),
        key: entry.key.clone(),
        url: url.clone(),
        store: store.to_owned(),
        folder: folder.clone(),
        places,
        by_hand,
        helper: helper_for(name).map_err(|failure| failure.message().to_owned())?,
        expires_at: entry.expires_at.millis(),
        only_configure: false,
    })
}

/// A grant in the vault whose configuration is to be completed; `None` if it is complete.
fn in_vault(entry: &Entry, ledger: &Ledger, stores: &Stores) -> Result<Option<Candidate>, String> {
    let (name, came) = (&entry.server_name, ledger.of(entry.key.as_str()));
    let Some(url) = &entry.server_url else { return Ok(None) };
    let came_from = came.and_then(|came| folder_of(stores, &came.store));
    let Some(folder) = came_from.or_else(|| stores.first().map(|(folder, _)| folder)) else {
        return Ok(None);
    };
    let places =
        ServerPlaces::new(OsFileSystem, folder).find(name, url).map_err(|error| error.to_string())?;
    let helper = helper_for(name).map_err(|failure| failure.message().to_owned())?;
    let (by_hand, places) = parted(places, name, ledger, false);
    if places.iter().all(|place| place.helper.as_ref() == Some(&helper)) {
        return Ok(None);
    }
    fit(&places, &by_hand, name, folder)?;
    let first = stores.first().map(|(_, store)| store.location().to_owned()).unwrap_or_default();
    Ok(Some(Candidate {
        name: name.clone(),
        key: entry.key.clone(),
        url: url.clone(),
        store: came.map_or(first, |came| came.store.clone()),
        folder: folder.clone(),
        places,
        by_hand,
        helper,
        expires_at: entry.expires_at.millis(),
        only_configure: true,
    }))
}

/// The places where the user wrote a helper that asks this program, and the others. `moves`: the login is not in the vault yet, so that
/// nothing but an attempt that was cut off has written there.
fn parted(places: Vec<Place>, name: &str, ledger: &Ledger, moves: bool) -> (Vec<Place>, Vec<Place>) {
    places.into_iter().partition(|place| {
        let Some(helper) = place.helper.as_ref().filter(|helper| asks_us(helper, name)) else { return false };
        // One whose program is gone is set anew, whoever wrote it.
        !leads_nowhere(helper, name)
            && (!is_ours(helper, name) || ledger.is_by_hand(name, place).unwrap_or(moves))
    })
}

/// Whether the helper can be set at each of these places, and would be run there and where the user wrote it.
fn fit(places: &[Place], by_hand: &[Place], name: &str, folder: &StorageFolder) -> Result<(), String> {
    let files = ServerPlaces::new(OsFileSystem, folder);
    for place in places.iter().chain(by_hand) {
        let file = place.file.display();
        if place.helper.as_ref().is_some_and(|helper| !asks_us(helper, name)) {
            return Err(format!("it has a `headersHelper` of its own in {file}; remove that first"));
        }
        if place.authorization {
            return Err(format!("it has an `Authorization` header of its own in {file}; remove that first"));
        }
        if let Scope::Local { project } | Scope::Project { project } = &place.scope
            && (!place.trusted || is_home(project))
        {
            return Err(format!(
                "Claude Code runs no `headersHelper` of a project that you have not trusted; start `claude` once in {project} and \
                 accept, or add the server for all projects (--scope user)"
            ));
        }
    }
    places.iter().try_for_each(|place| files.writable(place).map_err(|error| error.to_string()))
}

/// Whether it is the home folder: trust in that lasts for one session (read in 2.1.332).
fn is_home(project: &str) -> bool {
    std::env::home_dir().is_some_and(|home| home == Path::new(project))
}

/// A URL without its query, which may hold a key.
fn discreet(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
