//! What a client writes for a grant that is in the vault: a refresh that was on the wire when the grant moved, an older document that an
//! old client writes back, or a login.
//!
//! A client holds no lock when a 401 makes it refresh, so that `own` cannot wait for it, and its answer is the only copy of a pair that
//! replaces the vault's. It goes into the vault. What the vault knows already, or knows to be spent, is taken out of Claude Code's store.

use super::ledger::{Ledger, Move, Phase};
use super::moving::{There, look, take_out};
use super::{VaultError, folder, put};
use crate::settings::paths::Paths;
use claude_store::{
    AnyStore, Change, Document, Entry, EntryKey, OsFileSystem, RawEntry, RewriteError, Store, TokenChange,
    rewrite,
};
use oauth_secret::TokenDigest;
use refresh_engine::{Record, Records};
use std::time::Duration;

/// How long to wait for a client that is refreshing.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// A client may refresh it once more meanwhile; it does not do so often.
const ROUNDS: usize = 3;

/// Why a later look is needed.
pub(crate) const NOT_YET: &str = "what Claude Code's store holds of it cannot be taken into the vault yet:";

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Claude Code's store holds no refresh token for it.
    Nothing,
    /// It is in the vault now.
    Taken,
    /// The vault's is the same or newer; it was taken out of Claude Code's store.
    Older,
}

/// Whether a refresh token that Claude Code's store holds is newer than the vault's: unless it is the same or known to be spent. Which
/// of two was issued later cannot be told from the tokens, but who presented the vault's got the other one for it.
fn is_newer(theirs: TokenDigest, ours: Option<TokenDigest>, record: &Record) -> bool {
    ours != Some(theirs) && !record.is_spent(theirs)
}

/// The grants in the vault that came from this store.
pub(crate) fn owned<'l>(ledger: &'l Ledger, store: &str) -> impl Iterator<Item = &'l Move> {
    ledger.moves.iter().filter(move |one| one.phase == Phase::Owned && one.store == store)
}

/// Does it for every grant, before anybody presents a token. The caller has claimed the moves.
///
/// # Errors
/// The ledger cannot be used. A grant that cannot be looked after now is told; the next look comes with the next change of its store.
pub(crate) async fn take_in_all<'s>(
    paths: &Paths,
    vault: &AnyStore,
    clients: impl Iterator<Item = &'s AnyStore>,
    records: &Records<OsFileSystem>,
) -> Result<(), VaultError> {
    let ledger = Ledger::load(&folder(paths))?;
    for client in clients {
        for one in owned(&ledger, client.location()) {
            if let Err(error) = take_in(vault, client, one, records).await {
                tracing::warn!("{}: {NOT_YET} {error}", one.name);
            }
        }
    }
    Ok(())
}

/// Takes what a client wrote for this grant. If the process dies in between, both hold the same pair, and the next look ends it. Nobody may
/// present a token of either store meanwhile.
///
/// # Errors
/// One of the stores cannot be read or written now.
pub(crate) async fn take_in(
    vault: &AnyStore,
    client: &AnyStore,
    one: &Move,
    records: &Records<OsFileSystem>,
) -> Result<Late, VaultError> {
    let key = &EntryKey::new(one.key.as_str());
    if matches!(look(client, key).await?, There::Nothing) {
        return Ok(Late::Nothing);
    }
    // A client that refreshes what it wrote, by its own rules.
    let _lock = client.locks().refresh_lock(key, LOCK_PATIENCE).await.map_err(RewriteError::from)?;
    let mut late = Late::Nothing;
    for _ in 0..ROUNDS {
        let There::Grant { entry: theirs, portable, text } = look(client, key).await? else {
            return Ok(late);
        };
        let ours = match look(vault, key).await? {
            There::Grant { entry, .. } => digest(&entry),
            There::Nothing => None,
        };
        let newer = digest(&theirs).is_some_and(|theirs| {
            records.read(vault.location(), key, |record| is_newer(theirs, ours, record))
        });
        if newer {
            // Whoever got the new one presented it: it is spent, or belongs to a login that was replaced.
            if let Some(ours) = ours {
                records.change(vault.location(), key, |record| record.spend(ours));
                if let Err(error) = records.save().await {
                    tracing::debug!("{error}");
                }
            }
            replace(vault, key, &theirs, portable, ours.is_some()).await?;
            late = Late::Taken;
        } else if late == Late::Nothing {
            late = Late::Older;
        }
        if take_out(client, key, &text).await? {
            tell(&one.name, late);
            return Ok(late);
        }
    }
    Err(RewriteError::Contended { location: client.location().to_owned() }.into())
}

fn tell(name: &str, late: Late) {
    match late {
        Late::Taken => tracing::info!(
            "{name}: Claude Code's store had newer tokens for this login; they are in the vault now"
        ),
        Late::Older => {
            tracing::info!("{name}: older tokens of this login were taken out of Claude Code's store");
        }
        Late::Nothing => {}
    }
}

/// Puts a client's pair in the place of the vault's. An old client that found no entry names no client; then everything but the tokens
/// stays.
async fn replace(
    vault: &AnyStore,
    key: &EntryKey,
    theirs: &Entry,
    portable: RawEntry,
    is_there: bool,
) -> Result<(), RewriteError> {
    let tokens = theirs.access_token.clone().filter(|_| is_there && theirs.client_id.is_none());
    let Some(access_token) = tokens else { return put(vault, key, &portable).await };
    let change = Change::Tokens(TokenChange {
        access_token,
        refresh_token: theirs.refresh_token.clone(),
        expires_at: theirs.expires_at.millis(),
        scope: theirs.scope.clone(),
    });
    let written = rewrite(vault, |_: &Document<'_>| vec![(key.clone(), change.clone())]);
    let _ = written.await?;
    Ok(())
}

fn digest(entry: &Entry) -> Option<TokenDigest> {
    entry.refresh_token.as_ref().map(oauth_secret::RefreshToken::digest)
}
