use crate::Outcome;
use crate::decide::need::Need;
use crate::transaction::TransactionEnd;
use crate::transaction::end::not_lockable;
use crate::transaction::grants::Held;

/// The result of a requested refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The server's name.
    pub name: String,
    /// The entry's key.
    pub key: String,
    /// How it ended.
    pub how: RefreshedHow,
}

/// The result of a requested refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshedHow {
    /// A new pair is in the store.
    Fresh,
    /// It is fresh enough, or another process refreshed it.
    NotNeeded,
    /// A transaction for this entry is running already.
    Running,
    /// The configuration ignores it.
    Ignored,
    /// Only the user can help.
    NeedsPerson(Need),
    /// The refresh token may be spent: it is not presented again while the access token is good.
    Held(Held),
    /// A request was made or attempted, and brought no new pair.
    Ended {
        /// How it ended.
        outcome: Outcome,
        /// Why, and what to do.
        detail: String,
    },
    /// It failed before that: what, why, what next.
    Failed(String),
}

impl From<TransactionEnd> for RefreshedHow {
    fn from(ended: TransactionEnd) -> Self {
        match ended {
            TransactionEnd::Fresh => Self::Fresh,
            TransactionEnd::NotNeeded => Self::NotNeeded,
            TransactionEnd::NeedsPerson(need) => Self::NeedsPerson(need),
            TransactionEnd::Held(held) => Self::Held(held),
            TransactionEnd::NoPair { outcome, detail } => Self::Ended { outcome, detail },
            TransactionEnd::NoMetadata(error) => {
                Self::Ended { outcome: error.outcome(), detail: error.to_string() }
            }
            TransactionEnd::Locked(error) => Self::Failed(not_lockable(&error)),
            TransactionEnd::Removed
            | TransactionEnd::Superseded
            | TransactionEnd::TurnNotOver
            | TransactionEnd::LockLost(_)
            | TransactionEnd::NotSavable(_)
            | TransactionEnd::Unreadable(_) => Self::Failed(ended.to_string()),
        }
    }
}
