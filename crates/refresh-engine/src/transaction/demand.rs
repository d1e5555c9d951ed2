//! Who requested a refresh, and whose turn it is.

use crate::decide::need::Need;
use crate::store_access::shared::Shared;
use crate::transaction::end::TransactionEnd;
use crate::transaction::grants::Presenting;
use crate::transaction::presented::Presented;
use crate::{ObservedEntry, Partners};
use oauth_secret::TokenDigest;
use std::rc::Rc;
use std::time::Duration;

/// How long to wait for another entry's refresh of the same login: two requests of 30 s. If its store cannot be read, it may never end.
const TURN_PATIENCE: Duration = Duration::from_secs(90);

/// Who requested this refresh.
#[derive(Clone, Debug)]
pub(crate) enum Demand {
    /// The plan.
    Planned,
    /// The user.
    Forced,
    /// The healing of a wiped entry: tries the remembered one.
    Heal(Box<Presented>),
}

impl Demand {
    /// What to present for the observed entry. A stub no longer says where its login was.
    pub(crate) fn presented(&self, seen: &Rc<ObservedEntry>) -> Result<Presented, TransactionEnd> {
        match self {
            Self::Heal(remembered) => Ok(remembered.as_ref().clone()),
            Self::Planned | Self::Forced => Presented::of(Rc::clone(seen))
                .ok_or_else(|| TransactionEnd::NeedsPerson(Need::without_refresh_token(seen))),
        }
    }

    /// Waits until no other transaction presents the token: one grant means one transaction, however many entries hold it.
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
            // What was learned meanwhile may change the plan.
            Self::Planned | Self::Heal(_) => Err(TransactionEnd::NotNeeded),
        }
    }
}
