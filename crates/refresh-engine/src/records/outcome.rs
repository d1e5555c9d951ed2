use claude_store::{LockError, ReadError, WriteError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;

/// The result of an attempt, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRefresh {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
    /// What kept a new pair from being saved, if that is why none was requested; older versions did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsavable: Option<Unsavable>,
}

/// What keeps a new pair from being saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsavable {
    /// The owner, permissions, flags or mounts of the store: whoever looks at it sees whether they still do.
    Access,
    /// Anything else, such as a full disk or the journal; also what only a newer version knows.
    #[serde(other)]
    Other,
}

impl Unsavable {
    /// The kind of an error of the store.
    pub(crate) fn of_write(error: &WriteError) -> Self {
        match error {
            WriteError::MountPoint { .. }
            | WriteError::Immutable { .. }
            | WriteError::ForeignOwner { .. }
            | WriteError::ReadOnly { .. }
            | WriteError::Denied { .. }
            | WriteError::Read(ReadError::Denied { .. }) => Self::Access,
            _ => Self::Other,
        }
    }

    /// The kind of an error of the refresh lock, which lies in the store's folder.
    pub(crate) fn of_lock(error: &LockError) -> Self {
        match error {
            LockError::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Access,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// How the detail of an attempt begins that was not made because its result could not have been saved.
pub(crate) const NOT_SAVABLE: &str = "new tokens could not be saved: ";

impl LastRefresh {
    /// Whether no request was made because its result could not have been saved: the server was not even asked.
    #[must_use]
    pub fn is_not_savable(&self) -> bool {
        self.outcome == Outcome::Unsent && self.detail.starts_with(NOT_SAVABLE)
    }
}

/// The result of an attempt, in the words of `status --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new pair is in the store.
    Fresh,
    /// The refresh token will never work again.
    Dead,
    /// The client registration is gone.
    ClientDead,
    /// Refused, but not called dead.
    Refused,
    /// Failed temporarily; nothing was consumed.
    Transient,
    /// No request left this machine.
    Unsent,
    /// Sent, with unknown outcome.
    Ambiguous,
    /// Another process refreshed it first.
    Adopted,
}

impl Outcome {
    /// The word used in `status --json`, logs and history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Dead => "dead",
            Self::ClientDead => "client_dead",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::Unsent => "unsent",
            Self::Ambiguous => "ambiguous",
            Self::Adopted => "adopted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_older_version_and_one_of_a_newer_are_read() {
        let read = |more: &str| {
            let text = format!(r#"{{"at":"2026-11-22T11:59:00Z","outcome":"unsent","detail":"x"{more}}}"#);
            serde_json::from_str::<LastRefresh>(&text).unwrap().unsavable
        };
        assert_eq!(read(""), None);
        assert_eq!(read(r#","unsavable":"access""#), Some(Unsavable::Access));
        assert_eq!(read(r#","unsavable":"a kind that is not known yet""#), Some(Unsavable::Other));
    }

    #[test]
    fn what_somebody_who_looks_at_the_store_can_see_is_told_from_the_rest() {
        let path = || std::path::PathBuf::from("/made/up");
        for access in [
            WriteError::Denied { path: path() },
            WriteError::ReadOnly { path: path() },
            WriteError::MountPoint { path: path() },
            WriteError::Immutable { path: path() },
            WriteError::ForeignOwner { path: path(), owner: 0, user: 1 },
        ] {
            assert_eq!(Unsavable::of_write(&access), Unsavable::Access, "{access}");
        }
        assert_eq!(Unsavable::of_write(&WriteError::NoRoom { path: path() }), Unsavable::Other);
        let lock =
            |kind: io::ErrorKind| Unsavable::of_lock(&LockError::Io { path: path(), source: kind.into() });
        assert_eq!(lock(io::ErrorKind::PermissionDenied), Unsavable::Access);
        assert_eq!(lock(io::ErrorKind::StorageFull), Unsavable::Other);
    }
}
