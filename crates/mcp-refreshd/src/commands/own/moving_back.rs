//! Which grants may move back into Claude Code's store, and in words why others may not.

use super::candidate::{Candidate, Stores, folder_of, is_asked_for, known};
use super::helper::{asks_us, is_ours};
use super::reading::Read;
use super::refused::Refused;
use crate::agent::vault::Vault;
use crate::agent::vault::ledger::Ledger;
use crate::cli::OwnArgs;
use crate::terminal::failure::Failure;
use claude_store::{Entry, OsFileSystem, Place, ServerPlaces, StorageFolder, Store};

/// The grants to move back.
///
/// # Errors
/// The vault or a store cannot be read, or a name is unknown.
pub(super) async fn to_disown(
    args: &OwnArgs,
    stores: &Stores,
    vault: Option<&Vault>,
    ledger: &Ledger,
) -> Result<(Vec<Candidate>, Vec<Refused>), Failure> {
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    let mut names = Vec::new();
    let vaulted = match vault {
        Some(vault) => vault.list().await?,
        None => Vec::new(),
    };
    for entry in vaulted {
        let name = entry.server_name.clone();
        names.push(name.clone());
        if !is_asked_for(args, &entry) {
            continue;
        }
        let came = ledger.of(entry.key.as_str());
        let store = came.map(|came| came.store.clone()).or_else(|| {
            let (_, store) = stores.first()?;
            Some(store.location().to_owned())
        });
        let found = store.as_ref().and_then(|store| Some((store, folder_of(stores, store)?)));
        let Some((store, folder)) = found else {
            let where_to = store.unwrap_or_default();
            refused.push(Refused::new(&name, format!(
                "it came from {where_to}, which is no store of this shell or of the configuration; add it to `stores`, or set CLAUDE_CONFIG_DIR"
            )));
            continue;
        };
        match back(&entry, store, folder, ledger) {
            Ok(candidate) => candidates.push(candidate),
            Err(why) => refused.push(Refused::new(&name, why)),
        }
    }
    // Configurations that a cut-off move left behind.
    for (folder, store) in stores {
        let read = Read::of(store).await?;
        // Of all those in the vault they are none.
        refused.extend(if args.all { Vec::new() } else { read.left_alone(args, store) });
        for entry in read.entries {
            let name = &entry.server_name;
            names.push(name.clone());
            let taken = candidates.iter().any(|candidate| candidate.key == entry.key);
            if !is_asked_for(args, &entry) || taken {
                continue;
            }
            match left_behind(&entry, store.location(), folder, ledger) {
                Ok(Some(candidate)) => candidates.push(candidate),
                Ok(None) if args.all => {}
                Ok(None) => {
                    let shared = Refused::new(name, "its login is in Claude Code's store already");
                    refused.push(Refused { harmless: true, ..shared });
                }
                Err(why) => refused.push(Refused::new(name, why)),
            }
        }
    }
    known(args, &candidates, &refused, names.iter().map(String::as_str))?;
    Ok((candidates, refused))
}

/// A grant of the vault that may move back.
fn back(entry: &Entry, store: &str, folder: &StorageFolder, ledger: &Ledger) -> Result<Candidate, String> {
    let name = &entry.server_name;
    let url = entry.server_url.clone().unwrap_or_default();
    let files = ServerPlaces::new(OsFileSystem, folder);
    let mut places = files.find(name, &url).map_err(|error| error.to_string())?;
    places.retain(|place| place.helper.as_ref().is_some_and(|helper| asks_us(helper, name)));
    let by_hand = |place: &Place| {
        let is_ours = place.helper.as_ref().is_some_and(|helper| is_ours(helper, name));
        !is_ours || ledger.is_by_hand(name, place) == Some(true)
    };
    let (by_hand, places): (Vec<_>, Vec<_>) = places.into_iter().partition(by_hand);
    for place in &places {
        files.writable(place).map_err(|error| error.to_string())?;
    }
    let helper = ledger.of(entry.key.as_str()).map(|came| came.helper.clone()).unwrap_or_default();
    Ok(Candidate {
        name: name.clone(),
        key: entry.key.clone(),
        url,
        store: store.to_owned(),
        folder: folder.clone(),
        places,
        by_hand,
        helper,
        expires_at: entry.expires_at.millis(),
        only_configure: false,
    })
}

/// A grant of Claude Code's store with a helper of ours in its configuration.
fn left_behind(
    entry: &Entry,
    store: &str,
    folder: &StorageFolder,
    ledger: &Ledger,
) -> Result<Option<Candidate>, String> {
    let candidate = back(entry, store, folder, ledger)?;
    let left = !candidate.places.is_empty();
    Ok(left.then_some(Candidate { only_configure: true, ..candidate }))
}
