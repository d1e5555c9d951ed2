//! How a transaction ends, and the ends before anything was sent.

use crate::records::obstacle::{Hindrance, Obstacle};
use crate::records::outcome::Outcome;
use crate::records::record::Retry;
use crate::store_access::shared::Shared;
use crate::{Event, ObservedEntry, Partners};
use claude_store::LockError;
use std::io;
use std::time::Duration;

/// How soon to look again after somebody else held the lock.
pub(crate) const LOCKED_PAUSE: Duration = Duration::from_secs(10);
/// How soon to try again when the result could not have been saved.
const NOT_SAVABLE_PAUSE: Duration = Duration::from_secs(60);

/// How a transaction ended, for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    /// A new pair is in the store.
    Fresh,
    /// Somebody else had refreshed it, or it was not due any more.
    NotNeeded,
    /// The entry is gone.
    Removed,
    /// Somebody else holds its lock.
    Locked(String),
    /// Nothing was sent, since the result could not be saved.
    NotSavable(String),
    /// The store cannot be read.
    Unreadable(String),
    /// A person is needed first.
    NeedsPerson(crate::decide::need::Need),
    /// It may be spent and is not presented again yet.
    Held(crate::transaction::grants::Held),
    /// The attempt failed.
    Failed(Outcome, String),
}

pub(crate) fn locked<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    error: &LockError,
) -> TransactionEnd {
    let now = shared.now();
    let why = error.to_string();
    let (pause, event, what) = match error {
        LockError::Held { .. } | LockError::Lost { .. } => {
            (LOCKED_PAUSE, Event::Locked { why }, Hindrance::Locked)
        }
        _ => (NOT_SAVABLE_PAUSE, Event::NotLockable { why }, Hindrance::NotLockable(not_lockable(error))),
    };
    note(shared, seen, what);
    shared.change_record(&seen.entry.key, |record| record.retry = Some(Retry::after(now, pause)));
    shared.tell(seen, event);
    TransactionEnd::Locked(error.to_string())
}

pub(crate) fn not_savable<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    why: String,
) -> TransactionEnd {
    let now = shared.now();
    shared.change_record(&seen.entry.key, |record| {
        record.retry = Some(Retry::after(now, NOT_SAVABLE_PAUSE));
        record.note(now.wall, Outcome::Unsent, why.clone());
    });
    note(shared, seen, Hindrance::NotSavable(why.clone()));
    shared.tell(seen, Event::NotSavable { why: why.clone() });
    TransactionEnd::NotSavable(why)
}

/// Why the lock cannot be made, by the folder it belongs in: the name of a lock says nothing to a user.
fn not_lockable(error: &LockError) -> String {
    match error {
        LockError::IsFile { .. } => {
            "a file is in the place of its refresh lock, so neither the agent nor Claude Code can take the lock; to remove the file \
             type: mcp-refreshd doctor --fix"
                .to_owned()
        }
        LockError::Io { path, source } => {
            let folder = path.parent().unwrap_or(path).display();
            match source.kind() {
                io::ErrorKind::NotFound => format!("there is no folder {folder}"),
                io::ErrorKind::PermissionDenied => format!("this user may not write to the folder {folder}"),
                io::ErrorKind::ReadOnlyFilesystem => format!("the folder {folder} is on a read-only file system"),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    format!("the disk or the quota of the folder {folder} is full")
                }
                _ => format!("the folder {folder} cannot be written: {source}"),
            }
        }
        other => other.to_string(),
    }
}

fn note<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry, what: Hindrance) {
    let at = shared.now().wall;
    shared.track(&seen.entry.key, |known| {
        known.obstacle = Some(Obstacle::met(what, at, seen, known.obstacle.as_ref()));
    });
}
