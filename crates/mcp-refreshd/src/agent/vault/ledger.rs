//! What the vault is, and which servers' grants are moving or have moved into it. It holds no token.

use crate::platform::files;
use crate::settings::state_file;
use claude_store::{Entry, Scope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const FILE: &str = "ledger.json";
const VERSION: u32 = 1;
/// Thousands of servers take less.
const LARGEST: u64 = 16 << 20;

/// The ledger of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    version: u32,
    /// Where the vault is; chosen once, when it is created.
    #[serde(default)]
    pub(crate) place: Option<Place>,
    /// The grants that came from a store of Claude Code, or are on the way.
    #[serde(default)]
    pub(crate) moves: Vec<Move>,
    /// The helpers of which it is known who wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    helpers: Vec<Helper>,
}

/// Where the vault's document is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// A file in the vault's folder.
    File,
    /// An item of the session's keyring.
    Keyring {
        /// Which kind of keyring.
        kind: String,
        /// The item's names.
        service: String,
        account: String,
    },
}

/// A grant that came from a store of Claude Code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    /// The entry's key, in both stores.
    pub(crate) key: String,
    /// The server.
    pub(crate) name: String,
    /// Its URL.
    pub(crate) url: String,
    /// The location of the store it came from, and goes back to.
    pub(crate) store: String,
    /// Whether the move has ended. Until then Claude Code's store decides: who finds a refresh token there leaves the grant
    /// there, and presents nothing from the vault.
    pub(crate) phase: Phase,
    /// When it began.
    pub(crate) at: Timestamp,
    /// The command that Claude Code runs for the server's headers.
    pub(crate) helper: String,
    /// The files in which the helper was set.
    #[serde(default)]
    pub(crate) configured: Vec<PathBuf>,
}

/// The helper of a server at one place of Claude Code's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Helper {
    /// The server.
    name: String,
    file: PathBuf,
    /// The folder of the only project that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    /// Whether it was there before `own`: `disown` leaves it.
    by_hand: bool,
}

impl Helper {
    fn at(name: &str, place: &claude_store::Place, by_hand: bool) -> Self {
        let project = match &place.scope {
            Scope::User => None,
            Scope::Local { project } | Scope::Project { project } => Some(project.clone()),
        };
        Self { name: name.to_owned(), file: place.file.clone(), project, by_hand }
    }

    fn is_at_the_place_of(&self, other: &Self) -> bool {
        (&self.name, &self.file, &self.project) == (&other.name, &other.file, &other.project)
    }
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// On the way into the vault.
    Entering,
    /// On the way back.
    Leaving,
    /// In the vault, and nowhere else.
    Owned,
}

/// The ledger cannot be used. It is never replaced then: it says where grants are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("the vault's ledger {} cannot be read or written: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "the vault's ledger {} cannot be understood ({why}); restore it from a backup, or move it away and run `mcp-refreshd own` again",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error(
        "the vault's ledger {} was written by a newer version of mcp-refreshd ({found}); install that version",
        path.display()
    )]
    Newer { path: PathBuf, found: u32 },
}

impl LedgerError {
    /// Whether this user may not read it.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: VERSION, place: None, moves: Vec::new(), helpers: Vec::new() }
    }
}

impl Ledger {
    /// Its file in the vault's folder.
    pub(crate) fn file_in(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Reads the ledger in this folder; an absent one is empty.
    ///
    /// # Errors
    /// It is there but cannot be read or understood.
    pub(crate) fn load(folder: &Path) -> Result<Self, LedgerError> {
        let path = Self::file_in(folder);
        let failed = |source| LedgerError::Io { path: path.clone(), source };
        let file = match files::opening_no_link().read(true).open(&path) {
            Ok(file) => files::regular(file).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(ledger) if ledger.version > VERSION => Err(LedgerError::Newer { path, found: ledger.version }),
            Ok(ledger) => Ok(ledger),
            Err(error) => Err(LedgerError::Damaged { path, why: error.to_string() }),
        }
    }

    /// Replaces the ledger in this folder, durably.
    ///
    /// # Errors
    /// The file system refuses; then the old one stands.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), LedgerError> {
        let path = Self::file_in(folder);
        let write = || -> io::Result<()> {
            let mut bytes = serde_json::to_vec_pretty(self)?;
            bytes.push(b'\n');
            state_file::replace(&path, &bytes)
        };
        write().map_err(|source| LedgerError::Io { path: path.clone(), source })
    }

    /// The move of this entry.
    pub(crate) fn of(&self, key: &str) -> Option<&Move> {
        self.moves.iter().find(|one| one.key == key)
    }

    /// Whether the grant of this entry moved from this store into the vault: an entry without tokens that is left there is no login.
    pub(crate) fn took(&self, store: &str, key: &str) -> bool {
        self.of(key).is_some_and(|one| one.store == store)
    }

    /// Whether this entry of that store is such a rest.
    pub(crate) fn left(&self, store: &str, entry: &Entry) -> bool {
        entry.is_stub() && self.took(store, entry.key.as_str())
    }

    /// Notes a move, in place of an earlier one of the same entry.
    pub(crate) fn note(&mut self, new: Move) {
        self.forget(&new.key);
        self.moves.push(new);
    }

    /// Notes who wrote the helper of this server at a place.
    pub(crate) fn note_helper(&mut self, name: &str, place: &claude_store::Place, by_hand: bool) {
        let new = Helper::at(name, place, by_hand);
        self.helpers.retain(|one| !one.is_at_the_place_of(&new));
        self.helpers.push(new);
    }

    /// Whether the user wrote the helper of this server at a place; `None` if nobody knows.
    pub(crate) fn is_by_hand(&self, name: &str, place: &claude_store::Place) -> Option<bool> {
        let there = Helper::at(name, place, false);
        self.helpers.iter().find(|one| one.is_at_the_place_of(&there)).map(|one| one.by_hand)
    }

    /// Drops the helpers of this server that are not the user's, and says whether there were any.
    pub(crate) fn forget_written(&mut self, name: &str) -> bool {
        let before = self.helpers.len();
        self.helpers.retain(|one| one.by_hand || one.name != name);
        self.helpers.len() < before
    }

    /// Drops the move of this entry.
    pub(crate) fn forget(&mut self, key: &str) {
        self.moves.retain(|one| one.key != key);
    }
}

/// Held by the process that moves grants, so that nobody takes a move that goes on for one that was cut off.
#[derive(Debug)]
#[must_use = "others may move grants as soon as this is dropped"]
pub(crate) struct Mover {
    _lock: File,
}

impl Mover {
    /// Claims the moves of this vault; `None` if another process moves grants now.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub(crate) fn claim(folder: &Path) -> Result<Option<Self>, LedgerError> {
        let path = folder.join("moving");
        let failed = |source| LedgerError::Io { path: path.clone(), source };
        let open = files::opening_no_link().read(true).write(true).create(true).truncate(false).open(&path);
        let lock = open.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
