//! `mcp-refreshd own` and `disown`: grants move between Claude Code's store and the vault.

mod candidate;
mod direction;
mod hands;
mod helper;
mod moving_back;
mod moving_in;
mod reading;
mod refused;
mod steps;
mod text;

pub(crate) use helper::{asks_us, helper_for, is_ours, leads_nowhere, program_of};

use crate::agent::stores::{self, storage_folders};
use crate::agent::vault::ledger::Ledger;
use crate::agent::vault::moving::settle_moves;
use crate::agent::vault::{self, Vault};
use crate::cli::OwnArgs;
use crate::settings::config::Config;
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::wording::visible;
use candidate::{Candidate, Stores};
use compact::Set;
use direction::Direction;
use hands::Hands;
use moving_back::to_disown;
use moving_in::to_own;
use refused::Refused;

/// Moves grants into the vault.
///
/// # Errors
/// What went wrong before anything was moved. A grant that is not moved is told, and the next one follows.
pub(crate) async fn own(paths: &Paths, args: &OwnArgs) -> Result<Exit, Failure> {
    carry_out(paths, args, Direction::In).await
}

/// Moves grants back.
///
/// # Errors
/// As [`own`].
pub(crate) async fn disown(paths: &Paths, args: &OwnArgs) -> Result<Exit, Failure> {
    carry_out(paths, args, Direction::Back).await
}

async fn carry_out(paths: &Paths, args: &OwnArgs, direction: Direction) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    paths.home_exists()?;
    let stores = opened(&config, paths).await;
    let vault = Vault::open(&config, paths)?;
    // Before anything is created: what is not moved leaves nothing behind.
    let (planned, refused) = candidates(paths, args, direction, &stores, vault.as_ref()).await?;
    if args.dry_run {
        output::prose(&text::dry_run(&planned, direction))?;
        return Ok(told(&refused));
    }
    if planned.is_empty() && vault.is_none() {
        if refused.is_empty() {
            output::result(text::nothing(direction))?;
        }
        return Ok(told(&refused));
    }
    private_folder(&paths.state)?;
    // Either the agent takes part, or this process is the only one that refreshes.
    let hands = Hands::join(&config, paths).await?;
    // What clients have written meanwhile goes into the vault first.
    hands.heed().await?;
    let vault = Vault::open_or_create(&config, paths).await?;
    let stores = opened(&config, paths).await;
    // First what an earlier one left halfway.
    let clients = stores.iter().map(|(_, store)| store);
    let Some(_mover) = settle_moves(paths, &vault.store, clients).await? else {
        return Err(Failure::new(
            Exit::Person,
            "another `mcp-refreshd own` or `disown` is running; wait until it ends",
        ));
    };
    hands.heed().await?;
    let (candidates, refused) = candidates(paths, args, direction, &stores, Some(&vault)).await?;
    let mut exit = told(&refused);
    let moves = steps::Mover { paths, hands: &hands, stores: &stores, vault: &vault };
    if candidates.is_empty() && refused.is_empty() {
        output::result(text::nothing(direction))?;
    }
    for candidate in &candidates {
        let moved = match direction {
            Direction::In => moves.take_in(candidate).await,
            Direction::Back => moves.give_back(candidate).await,
        };
        match moved {
            Ok(lines) => output::prose(&lines)?,
            Err(why) => {
                output::message(&format!("{}: {}", visible(&candidate.name), visible(&why)));
                exit = exit.max(Exit::Person);
            }
        }
    }
    hands.leave().await;
    Ok(exit)
}

/// The stores of Claude Code that this command knows.
async fn opened(config: &Config, paths: &Paths) -> Stores {
    let mut all = Vec::new();
    for folder in storage_folders(config, paths) {
        let store = stores::open(config, paths, &folder, &|_| false).await.store;
        all.push((folder, store));
    }
    all
}

/// What can be moved of what was asked for, and why the rest cannot.
async fn candidates(
    paths: &Paths,
    args: &OwnArgs,
    direction: Direction,
    stores: &Stores,
    vault: Option<&Vault>,
) -> Result<(Vec<Candidate>, Vec<Refused>), Failure> {
    let ledger = Ledger::load(&vault::folder(paths)).map_err(vault::VaultError::from)?;
    let (candidates, refused) = match direction {
        Direction::In => to_own(args, stores, vault, &ledger).await?,
        Direction::Back => to_disown(args, stores, vault, &ledger).await?,
    };
    Ok((candidates, refused))
}

/// Tells why some are not moved.
fn told(refused: &[Refused]) -> Exit {
    let mut seen = Set::new();
    for Refused { name, why, .. } in
        refused.iter().filter(|refused| seen.insert((&refused.name, &refused.why)))
    {
        output::message(&format!("{}: {}", visible(name), visible(why)));
    }
    if refused.iter().any(|refused| !refused.harmless) { Exit::Person } else { Exit::Well }
}
