//! Who wants a refresh, and whose turn it is.

use crate::decide::need::Need;
use crate::store_access::shared::Shared;
use crate::transaction::end::TransactionEnd;
use crate::transaction::grants::Presenting;
use crate::transaction::presented::Presented;
use crate::{ObservedEntry, Partners};
use oauth_secret::TokenDigest;
use std::time::Duration;

/// How long another entry's refresh of the same login is waited for: two requests of 30 s. One of a store that cannot be read may never end.
const TURN_PATIENCE: Duration = Duration::from_secs(90);

/// Who wants this refresh.
#[derive(Clone, Debug)]
pub(crate) enum Demand {
    /// The plan.
    Planned,
    /// A person.
    Forced,
    /// A wiped entry: the remembered one is tried.
    Heal(Box<Presented>),
}

impl Demand {
    /// What is to be presented for the entry that was seen. A stub no longer says where its login was.
    pub(crate) fn presented(&self, seen: &ObservedEntry) -> Result<Presented, TransactionEnd> {
        match self {
            Self::Heal(remembered) => Ok(remembered.as_ref().clone()),
            Self::Planned | Self::Forced => Presented::of(seen.clone())
                .ok_or_else(|| TransactionEnd::NeedsPerson(Need::without_refresh_token(seen))),
        }
    }

    /// Waits until nobody else presents the token: one grant is one transaction, in however many entries it is.
    pub(crate) async fn take_turn<P: Partners>(
        &self,
        shared: &Shared<P>,
        seen: &ObservedEntry,
        token: TokenDigest,
    ) -> Result<Presenting<P>, TransactionEnd> {
        let turn = tokio::time::timeout(TURN_PATIENCE, shared.grants.present_after_others(token));
        let (presenting, waited) = turn.await.map_err(|_| TransactionEnd::TurnNotOver)?;
        if !waited {
            return Ok(presenting);
        }
        let current = shared.state(&seen.entry.key, |state| state.current.clone());
        match self {
            Self::Forced if current.is_none_or(|now| now.access != seen.access) => Err(TransactionEnd::Fresh),
            Self::Forced => Ok(presenting),
            // What was learned meanwhile makes another plan.
            Self::Planned | Self::Heal(_) => Err(TransactionEnd::NotNeeded),
        }
    }
}
