//! A grant on its way between a store of Claude Code and the vault.
//!
//! At every moment it is in at least one of the two, and only one of them counts. While it moves that is Claude Code's store: if it
//! holds a refresh token there, sessions may be using it, and the vault's copy may be out of date. So whoever finds a move that was cut
//! off asks that store alone, whichever way the move went: a grant that is there stays there, and the copy is dropped; one that is
//! not is in the vault.

use super::ledger::{Ledger, Move, Mover, Phase};
use super::{VaultError, folder, remove};
use crate::settings::paths::Paths;
use claude_store::{
    AnyStore, Change, Document, Entry, EntryKey, RawEntry, ReadError, RewriteError, Rewritten, Store, rewrite,
};
use std::path::Path;

/// What Claude Code's store says about a grant.
#[derive(Debug)]
pub(crate) enum There {
    /// A refresh token: the entry, all of it for another document, and its text in that one.
    Grant { entry: Box<Entry>, portable: RawEntry, text: RawEntry },
    /// No refresh token: no entry, one without tokens, or no document at all.
    Nothing,
}

/// Looks for a grant in a store of Claude Code.
///
/// # Errors
/// It cannot be read now, which says nothing.
pub(crate) async fn look(store: &AnyStore, key: &EntryKey) -> Result<There, VaultError> {
    let snapshot = match store.read().await {
        // Logged out of everything. Without its folder it is a disk that is not mounted.
        Err(ReadError::Absent { .. }) if store.locks().folder().is_dir() => return Ok(There::Nothing),
        read => read?,
    };
    let damaged = |source| VaultError::Document { location: store.location().to_owned(), source };
    let document = snapshot.document().map_err(damaged)?;
    Ok(match (document.entry(key), document.portable_entry(key), document.raw_entry(key)) {
        (Some(entry), Some(portable), Some(text)) => {
            There::Grant { entry: Box::new(entry.clone()), portable, text: RawEntry::new(text) }
        }
        _ => There::Nothing,
    })
}

/// Takes the tokens out of Claude Code's store, which must hold exactly this text: it may have been refreshed meanwhile. False if it
/// holds anything else. The entry stays, without tokens: a client whose refresh is on its way writes the new pair into it
/// ([`late`](super::late)).
///
/// # Errors
/// Nothing was changed.
pub(crate) async fn take_out(
    store: &AnyStore,
    key: &EntryKey,
    text: &RawEntry,
) -> Result<bool, RewriteError> {
    change_exactly(store, key, text, &Change::Empty).await
}

/// Removes an entry from the vault, which must hold exactly this text. False if it holds anything else.
///
/// # Errors
/// Nothing was changed.
#[cfg(feature = "cluster")]
pub(crate) async fn take_away(
    vault: &AnyStore,
    key: &EntryKey,
    text: &RawEntry,
) -> Result<bool, RewriteError> {
    change_exactly(vault, key, text, &Change::Remove).await
}

async fn change_exactly(
    store: &AnyStore,
    key: &EntryKey,
    text: &RawEntry,
    change: &Change,
) -> Result<bool, RewriteError> {
    let taken = rewrite(store, |document: &Document<'_>| {
        let same = document.raw_entry(key).is_some_and(|raw| raw == text.expose());
        same.then(|| (key.clone(), change.clone())).into_iter().collect()
    });
    Ok(taken.await? == Rewritten::Written)
}

/// Puts the grant back into Claude Code's store, unless a refresh token is there already: a newer login. False in that case.
///
/// # Errors
/// Nothing was written.
pub(crate) async fn put_back(
    store: &AnyStore,
    key: &EntryKey,
    entry: &RawEntry,
) -> Result<bool, RewriteError> {
    let written = rewrite(store, |document: &Document<'_>| {
        let raw = entry.clone();
        let change = match (document.entry(key), document.raw_entry(key)) {
            (Some(Entry { refresh_token: Some(_), .. }), _) => return Vec::new(),
            (_, Some(_)) => Change::Restore { members: raw },
            (_, None) => Change::Reinsert { raw },
        };
        vec![(key.clone(), change)]
    });
    Ok(written.await? == Rewritten::Written)
}

/// Removes an entry from the vault.
///
/// # Errors
/// The vault was not changed.
pub(crate) async fn drop_copy(vault: &AnyStore, key: &EntryKey) -> Result<(), RewriteError> {
    remove(vault, key).await
}

/// Settles every move that was cut off, unless a process is moving grants right now: then there is no proof that none is. A move whose
/// store cannot be read stays open: until then nothing is presented for it.
///
/// # Errors
/// The vault or its ledger cannot be used.
pub(crate) async fn settle_moves<'s>(
    paths: &Paths,
    vault: &AnyStore,
    clients: impl Iterator<Item = &'s AnyStore>,
) -> Result<Option<Mover>, VaultError> {
    let folder = folder(paths);
    let Some(mover) = Mover::claim(&folder)? else { return Ok(None) };
    let clients: Vec<_> = clients.collect();
    let mut ledger = Ledger::load(&folder)?;
    for one in ledger.moves.clone().into_iter().filter(|one| one.phase != Phase::Owned) {
        // Of a store that is not kept any more nobody can tell.
        let Some(store) = clients.iter().find(|store| store.location() == one.store) else { continue };
        let again = if one.phase == Phase::Entering { "own" } else { "disown" };
        // A locked keyring, say: until it can be read nothing is presented for this grant.
        let settled =
            settle_one(&mut ledger, &folder, vault, store, &one.key).await.unwrap_or_else(|error| {
                tracing::warn!("{error}");
                Settled::Open
            });
        match settled {
            Settled::WithClaudeCode => tracing::warn!(
                "the move of {name} was interrupted: its login is in Claude Code's store; to continue, type: mcp-refreshd {again} {name}",
                name = one.name
            ),
            Settled::InVault => {
                tracing::warn!("the move of {} was interrupted: its login is in the vault", one.name);
            }
            Settled::Gone => {}
            Settled::Open => {
                tracing::warn!("the move of {} was interrupted and cannot be settled yet", one.name)
            }
        }
    }
    Ok(Some(mover))
}

/// Where a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// In Claude Code's store; the ledger has forgotten it.
    WithClaudeCode,
    /// In the vault.
    InVault,
    /// In neither: the user logged out.
    Gone,
    /// Nobody can tell yet.
    Open,
}

/// Settles one move by what Claude Code's store holds. The caller has claimed the moves.
///
/// # Errors
/// The vault or its ledger cannot be used.
pub(crate) async fn settle_one(
    ledger: &mut Ledger,
    folder: &Path,
    vault: &AnyStore,
    client: &AnyStore,
    key: &str,
) -> Result<Settled, VaultError> {
    let Some(one) = ledger.of(key).cloned() else { return Ok(Settled::Gone) };
    let entry = EntryKey::new(key);
    let settled = match look(client, &entry).await {
        Ok(There::Grant { .. }) => {
            drop_copy(vault, &entry).await?;
            ledger.forget(key);
            Settled::WithClaudeCode
        }
        Ok(There::Nothing) if is_in(vault, &entry).await? => {
            ledger.note(Move { phase: Phase::Owned, ..one });
            Settled::InVault
        }
        Ok(There::Nothing) => {
            ledger.forget(key);
            Settled::Gone
        }
        Err(error) => {
            tracing::debug!("{error}");
            return Ok(Settled::Open);
        }
    };
    ledger.save(folder)?;
    Ok(settled)
}

async fn is_in(vault: &AnyStore, key: &EntryKey) -> Result<bool, VaultError> {
    Ok(matches!(look(vault, key).await?, There::Grant { .. }))
}
