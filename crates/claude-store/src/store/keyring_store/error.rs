use crate::ErrorKind;

/// Why a keyring could not be used. Messages never contain a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The item does not exist. It is never created here: that is up to whatever keeps the document in the keyring.
    #[error("{location} is not in the keyring")]
    Missing {
        /// The item.
        location: String,
    },
    /// Several items have this name.
    #[error(
        "{count} keyring items match {location}, so it is unclear which one is in use; delete all but one"
    )]
    Several {
        /// The item.
        location: String,
        /// The number of matches.
        count: usize,
    },
    /// The keyring is locked, so the item may or may not exist.
    #[error(
        "{location} is locked; log in to the desktop or unlock the keyring, and mcp-refreshd continues by itself"
    )]
    Locked {
        /// The item.
        location: String,
    },
    /// The keyring would have to ask the user, which a background agent must not cause: it is locked, or every access to the item needs
    /// confirmation. macOS reports both with the same error.
    #[error(
        "{location} cannot be used without asking you; unlock the Keychain, or, if it is unlocked, allow all applications to access the item (Keychain Access, Access Control) or set `keychain = \"security\"`"
    )]
    WouldAsk {
        /// The item.
        location: String,
    },
    /// Timed out: the keyring hangs, or shows a dialog.
    #[error("{location} did not respond in time; retrying")]
    NoAnswer {
        /// The item.
        location: String,
    },
    /// An earlier call is still waiting for the keyring; no second thread is started.
    #[error("{location}: the keyring has not responded to an earlier request yet; retrying")]
    Busy {
        /// The item.
        location: String,
    },
    /// This session has no keyring.
    #[error(
        "{location}: this session has no keyring service ({why}); check that one is running and that the agent knows the session's D-Bus"
    )]
    Unavailable {
        /// The item.
        location: String,
        /// The library's error.
        why: String,
    },
    /// What was read back differs from what was written. The pair stays in the journal.
    #[error("{location} does not hold what was written to it; retrying")]
    NotWritten {
        /// The item.
        location: String,
    },
    /// Any other error.
    #[error("{location}: the keyring returned an error: {why}")]
    Other {
        /// The item.
        location: String,
        /// The error, shortened.
        why: String,
    },
}

impl KeyringError {
    /// How to handle the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::Absent,
            Self::Several { .. } => ErrorKind::NeedsPerson,
            Self::Locked { .. }
            | Self::WouldAsk { .. }
            | Self::NoAnswer { .. }
            | Self::Busy { .. }
            | Self::Unavailable { .. }
            | Self::NotWritten { .. }
            | Self::Other { .. } => ErrorKind::Retry,
        }
    }
}

/// Why no keyring can be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKeyring {
    /// This build omits it, to need fewer libraries.
    #[error("this build does not include it; build with `--features keyring`")]
    NotBuilt,
    /// It belongs to another system.
    #[error("this system does not have it; use \"{own}\" here")]
    OtherSystem {
        /// The configuration value for this system's keyring.
        own: &'static str,
    },
}
