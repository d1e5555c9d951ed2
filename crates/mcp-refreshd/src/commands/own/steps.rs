//! The steps of one move. Each leaves the grant where somebody uses it, and a process that dies between two of them leaves a ledger that
//! says what to settle ([`settle_one`]).
//!
//! ```text
//! own                                        disown
//! 1 ledger: entering; the agent lets go      1 ledger: leaving; the agent lets go
//! 2 copy into the vault                      2 copy into Claude Code's store
//! 3 set the helper at each place             3 remove the helper at each place
//! 4 remove it from Claude Code's store       4 remove it from the vault
//! 5 ledger: owned; the agent goes on         5 ledger: forgotten; the agent goes on
//! ```

use super::candidate::{Candidate, Stores};
use super::hands::Hands;
use super::text;
use crate::agent::vault::ledger::{Ledger, Move, Phase};
use crate::agent::vault::moving::{Settled, There, drop_copy, look, put_back, settle_one, take_out};
use crate::agent::vault::{self, Vault};
use crate::settings::paths::Paths;
use claude_store::{AnyStore, NeedsAuthCache, OsFileSystem, Place, RawEntry, ServerPlaces, Store};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// The client refreshes by itself where less is left: what moves must not be on its way to the server.
const CLIENT_WINDOW_MS: i64 = 300_000;
/// How long to wait for a client that is refreshing.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
/// A client that refreshes between copy and removal makes the copy worthless; it does not do so often.
const COPIES: usize = 3;

/// One move, and everything that takes part.
pub(super) struct Mover<'a> {
    pub(super) paths: &'a Paths,
    pub(super) hands: &'a Hands,
    pub(super) stores: &'a Stores,
    pub(super) vault: &'a Vault,
}

impl Mover<'_> {
    /// Moves a grant into the vault, and says so; or says why it stayed where it was.
    pub(super) async fn take_in(&self, candidate: &Candidate) -> Result<String, String> {
        if candidate.only_configure {
            self.configure(candidate).await?;
            self.note(candidate, Phase::Owned)?;
            return Ok(text::owned(candidate));
        }
        let store = self.store(candidate)?;
        let left = candidate.expires_at.map(|at| at - Timestamp::now().as_millisecond());
        if left.is_some_and(|left| left < CLIENT_WINDOW_MS) {
            let refreshed = self.hands.refresh(candidate.key.as_str(), &candidate.store).await;
            refreshed
                .map_err(|why| format!("its token is about to expire and cannot be refreshed: {why}"))?;
        }
        // Another store's, which the plan had still seen there: to settle this move would drop it.
        if let There::Grant { .. } =
            look(&self.vault.store, &candidate.key).await.map_err(|error| error.to_string())?
        {
            return Err("the vault got a login for it meanwhile; run the command again".to_owned());
        }
        self.begin(candidate, Phase::Entering).await?;
        let entered = self.enter(store, candidate).await;
        let settled = match entered {
            Ok(()) => {
                self.note(candidate, Phase::Owned)?;
                Ok(text::owned(candidate))
            }
            Err(why) => match self.settle(store, candidate).await? {
                // Everything was done, and only the last sync or an answer was missed.
                Settled::InVault => Ok(text::owned(candidate)),
                Settled::WithClaudeCode | Settled::Gone => {
                    self.unconfigure(candidate).await;
                    self.forget_written(candidate);
                    Err(why)
                }
                Settled::Open => Err(format!("{why}; the move is not undone yet, run the command again")),
            },
        };
        self.end(candidate).await;
        settled
    }

    /// Steps 2 to 4 of `own`.
    async fn enter(&self, store: &AnyStore, candidate: &Candidate) -> Result<(), String> {
        let (key, vault) = (&candidate.key, &self.vault.store);
        let lock = store.locks().refresh_lock(key, LOCK_PATIENCE).await;
        let _lock = lock.map_err(|error| format!("{error}; try again"))?;
        let mut copied = self.copy(store, candidate).await?;
        self.configure(candidate).await?;
        for _ in 0..COPIES {
            if take_out(store, key, &copied).await.map_err(|error| error.to_string())? {
                return Ok(());
            }
            // A client refreshed it meanwhile, without the lock.
            copied = self.copy(store, candidate).await?;
        }
        drop_copy(vault, key).await.map_err(|error| error.to_string())?;
        Err("Claude Code keeps refreshing it; try again in a moment".to_owned())
    }

    async fn copy(&self, store: &AnyStore, candidate: &Candidate) -> Result<RawEntry, String> {
        match look(store, &candidate.key).await.map_err(|error| error.to_string())? {
            There::Grant { portable, text, .. } => {
                let copied = self.vault.put(&candidate.key, portable).await;
                copied.map(|()| text).map_err(|error| error.to_string())
            }
            There::Nothing => Err("it was logged out meanwhile".to_owned()),
        }
    }

    /// Sets the helper everywhere, or nowhere.
    async fn configure(&self, candidate: &Candidate) -> Result<(), String> {
        for (number, place) in candidate.places.iter().enumerate() {
            let set = match &place.helper {
                // One of an older version, or at an older path of this program.
                Some(old) if *old != candidate.helper => {
                    files(candidate).unset(place, &candidate.name, old).await
                }
                _ => Ok(claude_store::Edited::Unchanged),
            };
            let set = match set {
                Ok(_) => files(candidate).set(place, &candidate.name, &candidate.helper).await,
                Err(error) => Err(error),
            };
            if let Err(error) = set {
                for place in candidate.places.iter().take(number) {
                    // Reported with the first error; a helper that is left serves the grant wherever it is.
                    let _ = files(candidate).unset(place, &candidate.name, &candidate.helper).await;
                }
                return Err(error.to_string());
            }
        }
        Ok(())
    }

    async fn unconfigure(&self, candidate: &Candidate) {
        for place in candidate.places.iter().filter(|place| place.helper.is_none()) {
            // A helper that is left serves the grant wherever it is.
            let _ = files(candidate).unset(place, &candidate.name, &candidate.helper).await;
        }
    }

    /// Moves a grant back, and says so; or says why it stayed where it was.
    pub(super) async fn give_back(&self, candidate: &Candidate) -> Result<String, String> {
        let store = self.store(candidate)?;
        if candidate.only_configure {
            let left = self.remove_helpers(candidate).await;
            return if left.is_empty() {
                self.forget_written(candidate);
                Ok(text::given_back(candidate, true))
            } else {
                Err(left.join("; "))
            };
        }
        self.begin(candidate, Phase::Leaving).await?;
        let left = self.leave(store, candidate).await;
        let settled = self.settle(store, candidate).await;
        self.end(candidate).await;
        match (left, settled?) {
            (Ok(ours), Settled::WithClaudeCode) => {
                self.forget_written(candidate);
                Ok(text::given_back(candidate, ours))
            }
            (Err(why), Settled::WithClaudeCode) => {
                Err(format!("its login is back in Claude Code's store, but {why}"))
            }
            (Err(why), _) => Err(why),
            (Ok(_), _) => {
                Err("Claude Code's store lost it again at once; its login stays in the vault".to_owned())
            }
        }
    }

    /// Steps 2 and 3 of `disown`; the fourth is to settle. False if Claude Code's store had a newer login.
    async fn leave(&self, store: &AnyStore, candidate: &Candidate) -> Result<bool, String> {
        let key = &candidate.key;
        let lock = store.locks().refresh_lock(key, LOCK_PATIENCE).await;
        let _lock = lock.map_err(|error| format!("{error}; try again"))?;
        let There::Grant { portable, .. } =
            look(&self.vault.store, key).await.map_err(|error| error.to_string())?
        else {
            return Err("the vault no longer holds it".to_owned());
        };
        let ours = put_back(store, key, &portable).await.map_err(|error| error.to_string())?;
        let left = self.remove_helpers(candidate).await;
        if left.is_empty() { Ok(ours) } else { Err(format!("{}; run the command again", left.join("; "))) }
    }

    /// Removes every helper of ours; returns why some stay.
    async fn remove_helpers(&self, candidate: &Candidate) -> Vec<String> {
        let mut left = Vec::new();
        for place in &candidate.places {
            let helper = place.helper.as_ref().unwrap_or(&candidate.helper);
            if let Err(error) = files(candidate).unset(place, &candidate.name, helper).await {
                left.push(format!("a `headersHelper` is left: {error}"));
            }
        }
        left
    }

    /// Notes that the move begins. On return the agent leaves the grant alone.
    async fn begin(&self, candidate: &Candidate, phase: Phase) -> Result<(), String> {
        let before = self.ledger()?;
        self.note(candidate, phase)?;
        if let Err(failure) = self.hands.heed().await {
            // Nothing was moved yet.
            before.save(&self.folder()).map_err(|error| error.to_string())?;
            let _ = self.hands.heed().await;
            return Err(failure.message().to_owned());
        }
        Ok(())
    }

    async fn settle(&self, store: &AnyStore, candidate: &Candidate) -> Result<Settled, String> {
        let mut ledger = self.ledger()?;
        let settled =
            settle_one(&mut ledger, &self.folder(), &self.vault.store, store, candidate.key.as_str()).await;
        settled.map_err(|error| error.to_string())
    }

    /// Lets the agent go on, and the next session use the server.
    async fn end(&self, candidate: &Candidate) {
        // An agent that is gone reads the ledger at its next start.
        let _ = self.hands.heed().await;
        // Only a cache: at worst a new session skips the server for 15 minutes.
        let _ = NeedsAuthCache::new(OsFileSystem, candidate.folder.needs_auth_path()).remove(&candidate.name);
    }

    fn note(&self, candidate: &Candidate, phase: Phase) -> Result<(), String> {
        let mut ledger = self.ledger()?;
        let mut configured: Vec<PathBuf> =
            candidate.places.iter().map(|place: &Place| place.file.clone()).collect();
        configured.dedup();
        ledger.note(Move {
            key: candidate.key.to_string(),
            name: candidate.name.clone(),
            url: candidate.url.clone(),
            store: candidate.store.clone(),
            phase,
            at: Timestamp::now(),
            helper: candidate.helper.clone(),
            configured,
        });
        let places = candidate.places.iter().map(|place| (place, false));
        for (place, by_hand) in places.chain(candidate.by_hand.iter().map(|place| (place, true))) {
            ledger.note_helper(&candidate.name, place, by_hand);
        }
        ledger.save(&self.folder()).map_err(|error| error.to_string())
    }

    /// Its helpers are removed.
    fn forget_written(&self, candidate: &Candidate) {
        let Ok(mut ledger) = self.ledger() else { return };
        if ledger.forget_written(&candidate.name) {
            // What stays noted only says that a helper there was not the user's.
            let _ = ledger.save(&self.folder());
        }
    }

    fn ledger(&self) -> Result<Ledger, String> {
        Ledger::load(&self.folder()).map_err(|error| error.to_string())
    }

    fn folder(&self) -> PathBuf {
        vault::folder(self.paths)
    }

    fn store(&self, candidate: &Candidate) -> Result<&AnyStore, String> {
        let store = self.stores.iter().find(|(_, store)| store.location() == candidate.store);
        store.map(|(_, store)| store).ok_or_else(|| format!("{} is not kept any more", candidate.store))
    }
}

fn files(candidate: &Candidate) -> ServerPlaces<OsFileSystem> {
    ServerPlaces::new(OsFileSystem, &candidate.folder)
}
