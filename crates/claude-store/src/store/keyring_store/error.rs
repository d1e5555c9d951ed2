use crate::ErrorKind;

/// Why a keyring could not be used. The texts never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No such item. It is never made here: that is for whoever keeps the document in the keyring.
    #[error("{location} is not in the keyring")]
    Missing {
        /// The item.
        location: String,
    },
    /// Several items have the name.
    #[error(
        "{count} items of the keyring are {location}, and nobody can know which one is in use; delete all but one of them"
    )]
    Several {
        /// The item.
        location: String,
        /// How many there are.
        count: usize,
    },
    /// The keyring is locked. The item may be there or not; nothing is concluded from it.
    #[error(
        "{location} is locked; it goes on by itself as soon as you unlock the keyring, which logging in to the desktop does"
    )]
    Locked {
        /// The item.
        location: String,
    },
    /// The keyring would have to ask a person, which an agent in the background does not make it do: it is locked, or each use of
    /// the item is asked for. The two have one error in common on macOS.
    #[error(
        "{location} cannot be used without asking you: unlock the Keychain, or, if it is open, allow all applications to access the item (Keychain Access, Access Control) or set `keychain = \"security\"`"
    )]
    WouldAsk {
        /// The item.
        location: String,
    },
    /// No answer in time: a keyring that hangs, or one that shows a question and waits.
    #[error("{location} gave no answer in time; it will be tried again")]
    NoAnswer {
        /// The item.
        location: String,
    },
    /// An earlier call still waits for the keyring; no second thread is spent on it.
    #[error("{location}: the keyring has not answered an earlier question yet; it will be tried again")]
    Busy {
        /// The item.
        location: String,
    },
    /// There is no keyring in this session.
    #[error(
        "{location}: this session has no keyring service ({why}); is one running, and is the session's D-Bus known to the agent?"
    )]
    Unavailable {
        /// The item.
        location: String,
        /// What its library said.
        why: String,
    },
    /// What was read back is not what was written. The pair stays in the journal.
    #[error("{location} does not hold what was written to it; it will be written again")]
    NotWritten {
        /// The item.
        location: String,
    },
    /// Any other answer.
    #[error("{location}: the keyring answered: {why}")]
    Other {
        /// The item.
        location: String,
        /// What it said, shortened.
        why: String,
    },
}

impl KeyringError {
    /// What to do next.
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

/// Why there is no keyring to use at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKeyring {
    /// This program was built without it, to need fewer libraries.
    #[error("this build has no part for it; build it with `--features keyring`")]
    NotBuilt,
    /// Another system has it.
    #[error("this system has no such keyring; its own is called \"{own}\" here")]
    OtherSystem {
        /// What the configuration calls the keyring of this system.
        own: &'static str,
    },
}
