//! A grant that may move, in either direction.

use super::reading::is_named;
use super::refused::Refused;
use crate::cli::OwnArgs;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::suggest::no_server_is_called;
use claude_store::{AnyStore, Entry, EntryKey, Place, StorageFolder, Store};

/// Claude Code's files and their store.
pub(super) type Stores = Vec<(StorageFolder, AnyStore)>;

/// A grant that may move.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) key: EntryKey,
    pub(super) url: String,
    /// The location of its store of Claude Code.
    pub(super) store: String,
    pub(super) folder: StorageFolder,
    /// Where the server is configured and the helper is to be set, or to be removed.
    pub(super) places: Vec<Place>,
    /// Where the user wrote a helper that asks this program: it stays as it is.
    pub(super) by_hand: Vec<Place>,
    /// The command to set, or to remove.
    pub(super) helper: String,
    /// When its access token expires, in ms since 1970.
    pub(super) expires_at: Option<i64>,
    /// It is in the vault already, and only configurations are to be completed.
    pub(super) only_configure: bool,
}

/// Whether the command is about this entry: about all, or about one of its name or key.
pub(super) fn is_asked_for(args: &OwnArgs, entry: &Entry) -> bool {
    is_named(args, &entry.server_name, &entry.key)
}

/// Every name must mean something; `names` are those that would.
pub(super) fn known<'a>(
    args: &OwnArgs,
    candidates: &[Candidate],
    refused: &[Refused],
    names: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    let means = |name: &&String| {
        candidates.iter().any(|known| known.name == **name || known.key.as_str() == **name)
            || refused.iter().any(|known| known.name == **name)
    };
    match args.names.iter().find(|name| !means(name)) {
        Some(name) => Err(Failure::new(Exit::Usage, no_server_is_called(name, names))),
        None => Ok(()),
    }
}

/// The client's files that belong to a store.
pub(super) fn folder_of<'s>(stores: &'s Stores, location: &str) -> Option<&'s StorageFolder> {
    stores.iter().find(|(_, store)| store.location() == location).map(|(folder, _)| folder)
}
