use crate::decide::need::Need;
use crate::journal::JournalError;
use crate::records::obstacle::{Hindrance, Obstacle};
use crate::records::outcome::{LastRefresh, NOT_SAVABLE, Outcome, Unsavable};
use crate::records::record::Retry;
use crate::store_access::reading::Unreadable;
use crate::store_access::shared::Shared;
use crate::transaction::grants::Held;
use crate::transaction::metadata::NoMetadata;
use crate::{Event, ObservedEntry, Partners};
use claude_store::{LockError, LockLost, WriteError};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// How soon to retry after another process held the lock.
const LOCKED_PAUSE: Duration = Duration::from_secs(10);
/// How soon to retry if the result could not have been saved.
const NOT_SAVABLE_PAUSE: Duration = Duration::from_secs(60);
/// How soon to retry if the store could not be read under the lock; old clients write it in place.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(5);

/// How a transaction ended, for its requester.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransactionEnd {
    /// A new pair is in the store.
    #[error("a new token pair is in the store")]
    Fresh,
    /// Another process had refreshed it, or it was no longer due.
    #[error("no refresh was needed")]
    NotNeeded,
    /// The entry is gone.
    #[error("the entry was removed meanwhile; nothing was written")]
    Removed,
    /// A client has written a newer token elsewhere.
    #[error("Claude Code has newer tokens for it, which go into the vault first")]
    Superseded,
    /// Another entry's refresh of the same login is still running.
    #[error(
        "another entry holds the same login, and the result of its refresh is still unknown; fix its store first"
    )]
    TurnNotOver,
    /// The refresh lock could not be taken.
    #[error(transparent)]
    Locked(LockError),
    /// The refresh lock was lost before anything was sent.
    #[error(transparent)]
    LockLost(LockLost),
    /// Nothing was sent because the result could not be saved.
    #[error(transparent)]
    NotSavable(NotSavable),
    /// The store cannot be read.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// The user is needed first.
    #[error("the user is needed first")]
    NeedsPerson(Need),
    /// The refresh token may be spent and is not presented again yet.
    #[error("the refresh token may be spent and is not presented yet: {}", .0.why)]
    Held(Held),
    /// There is no usable token endpoint.
    #[error(transparent)]
    NoMetadata(#[from] NoMetadata),
    /// The answer was not a pair.
    #[error("{detail}")]
    NoPair {
        /// The outcome.
        outcome: Outcome,
        /// In words.
        detail: String,
    },
}

/// The result of a refresh could not be saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSavable {
    /// The store has no room, or cannot be written.
    #[error("{0}")]
    Store(#[from] Rc<WriteError>),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl NotSavable {
    fn kind(&self) -> Unsavable {
        match self {
            Self::Store(error) => Unsavable::of_write(error),
            Self::Journal(_) => Unsavable::Other,
        }
    }
}

/// The refresh lock could not be taken.
pub(super) fn locked<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    error: LockError,
) -> TransactionEnd {
    let why = error.to_string();
    let (pause, event, what, unsavable) = match &error {
        LockError::Held { .. } | LockError::Lost { .. } => {
            (LOCKED_PAUSE, Event::Locked { why }, Hindrance::Locked, None)
        }
        _ => {
            let cause = not_lockable(&error);
            // A file in the lock's place is named, since somebody has to remove it.
            let why = if matches!(error, LockError::IsFile { .. }) { why } else { cause.clone() };
            let kind = Some(Unsavable::of_lock(&error));
            (NOT_SAVABLE_PAUSE, Event::NotLockable { why }, Hindrance::NotLockable(cause), kind)
        }
    };
    note(shared, seen, what, unsavable);
    retry_after(shared, seen, pause);
    shared.tell(seen, event);
    TransactionEnd::Locked(error)
}

/// The refresh lock was lost before the request.
pub(super) fn lock_lost<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    lost: LockLost,
) -> TransactionEnd {
    retry_after(shared, seen, LOCKED_PAUSE);
    TransactionEnd::LockLost(lost)
}

/// The result could not be saved.
pub(super) fn not_savable<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    error: NotSavable,
) -> TransactionEnd {
    let why = error.to_string();
    retry_after(shared, seen, NOT_SAVABLE_PAUSE);
    let at = shared.now().wall;
    let unsavable = Some(error.kind());
    shared.change_record(&seen.entry.key, |record| {
        let detail = format!("{NOT_SAVABLE}{why}");
        record.last = Some(LastRefresh { at, outcome: Outcome::Unsent, detail, unsavable });
    });
    note(shared, seen, Hindrance::NotSavable(why.clone()), unsavable);
    shared.tell(seen, Event::NotSavable { why });
    TransactionEnd::NotSavable(error)
}

/// The store cannot be read under the lock.
pub(super) fn unreadable<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    error: Unreadable,
) -> TransactionEnd {
    retry_after(shared, seen, UNREADABLE_PAUSE);
    TransactionEnd::Unreadable(error)
}

/// Another process refreshed or changed the entry first.
pub(super) fn adopted<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry, why: &str) -> TransactionEnd {
    let at = shared.now().wall;
    shared.change_record(&seen.entry.key, |record| record.note(at, Outcome::Adopted, why));
    TransactionEnd::NotNeeded
}

/// A client wrote a newer token into its own store; this one may be spent.
pub(super) fn superseded<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) -> TransactionEnd {
    retry_after(shared, seen, LOCKED_PAUSE);
    TransactionEnd::Superseded
}

fn retry_after<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry, pause: Duration) {
    let now = shared.now();
    shared.change_record(&seen.entry.key, |record| record.retry = Some(Retry::after(now, pause)));
}

/// Why the lock cannot be created, naming its folder: a lock's name means nothing to the user.
pub(crate) fn not_lockable(error: &LockError) -> String {
    match error {
        LockError::IsFile { .. } => {
            "a file is in the place of its refresh lock, so neither the agent nor Claude Code can take the lock; to remove the file, \
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

fn note<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    what: Hindrance,
    unsavable: Option<Unsavable>,
) {
    let at = shared.now().wall;
    shared.state(&seen.entry.key, |known| {
        known.obstacle = Some(Obstacle::met(what, unsavable, at, seen, known.obstacle.as_ref()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn of_a_lock_that_cannot_be_made_the_reason_and_its_folder_are_told_and_never_its_own_path() {
        let path = PathBuf::from("/home/me/.claude/mcp-refresh-lab_00.lock.lock");
        let failed = |kind: io::ErrorKind| LockError::Io { path: path.clone(), source: kind.into() };
        let why = |error: &LockError| {
            let why = not_lockable(error);
            assert!(!why.contains("mcp-refresh-") && !why.contains(".lock"), "{why}");
            why
        };
        for (kind, expected) in [
            (io::ErrorKind::NotFound, "there is no folder /home/me/.claude"),
            (io::ErrorKind::PermissionDenied, "this user may not write to the folder /home/me/.claude"),
            (io::ErrorKind::ReadOnlyFilesystem, "the folder /home/me/.claude is on a read-only file system"),
            (io::ErrorKind::StorageFull, "the disk or the quota of the folder /home/me/.claude is full"),
            (io::ErrorKind::QuotaExceeded, "the disk or the quota of the folder /home/me/.claude is full"),
        ] {
            assert_eq!(why(&failed(kind)), expected);
        }
        let other = why(&failed(io::ErrorKind::Other));
        assert!(other.starts_with("the folder /home/me/.claude cannot be written: "), "{other}");
        let file = why(&LockError::IsFile { path: path.clone() });
        assert!(file.ends_with("; to remove the file, type: mcp-refreshd doctor --fix"), "{file}");
    }
}
