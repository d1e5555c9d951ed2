//! Step 3 of a transaction: read the store again under the locks, and decide again.

use crate::decide::memory::{Heal, decide_heal};
use crate::decide::need::Need;
use crate::decide::plan::{plan, plan_forced};
use crate::decide::planned::{Plan, Reason};
use crate::journal::HealMembers;
use crate::store_access::reading::Reading;
use crate::store_access::scan::note_found;
use crate::store_access::shared::Shared;
use crate::store_access::shared_read::read_entry;
use crate::transaction::demand::Demand;
use crate::transaction::end::TransactionEnd;
use crate::transaction::end::{adopted, superseded, unreadable};
use crate::transaction::heal::heal_members;
use crate::transaction::presented::Presented;
use crate::{ObservedEntry, Partners};
use claude_store::{Ownership, Store, Version};
use std::rc::Rc;

/// What is presented, and why.
pub(crate) struct Decided {
    pub(crate) reason: Reason,
    /// The entry as read.
    pub(crate) seen: Rc<ObservedEntry>,
    pub(crate) presented: Presented,
    /// The document's size in bytes.
    pub(crate) size: usize,
    /// The document's version.
    pub(crate) version: Version,
}

impl Decided {
    /// What a wipe took, if this transaction heals one.
    pub(crate) fn heal_members(&self) -> Option<Box<HealMembers>> {
        (self.reason == Reason::Heal).then(|| Box::new(heal_members(&self.presented)))
    }
}

/// Reads the entry and decides what to present, or how the transaction ends instead.
pub(crate) async fn decide_again<P: Partners>(
    shared: &Shared<P>,
    planned: &ObservedEntry,
    demand: Demand,
) -> Result<Decided, TransactionEnd> {
    let reading = read_entry(shared, &planned.entry.key).await;
    let Reading { size, version, seen } = reading.map_err(|error| unreadable(shared, planned, error))?;
    let seen = Rc::new(seen.ok_or(TransactionEnd::Removed)?);
    let (key, now) = (&seen.entry.key, shared.now());
    if seen.refresh != planned.refresh {
        note_found(shared, &seen);
    }
    shared.change_record(key, |record| record.observe(now, &seen));
    let decision = {
        let policy = shared.policy.borrow();
        shared.read_record(key, |record| match &demand {
            Demand::Heal(remembered) => {
                let stub_for = shared.state(key, |state| shared.stub_for(state, now));
                match decide_heal(Some(&remembered.seen), &seen, stub_for, record) {
                    Heal::TryRemembered => Plan::Refresh(Reason::Heal),
                    _ => Plan::NeedsPerson(Need::Stub),
                }
            }
            Demand::Forced => plan_forced(&seen, record, &policy),
            Demand::Planned => plan(now, &seen, record, &shared.activity(), &policy),
        })
    };
    let reason = match decision {
        Plan::Refresh(reason) => reason,
        Plan::NeedsPerson(need) => return Err(TransactionEnd::NeedsPerson(need)),
        Plan::Sleep { .. } | Plan::Ignore(_) if seen.refresh != planned.refresh => {
            return Err(adopted(shared, &seen, "another process refreshed it first"));
        }
        Plan::Sleep { .. } | Plan::Ignore(_) => return Err(TransactionEnd::NotNeeded),
    };
    if matches!(demand, Demand::Forced)
        && let Some(held) = shared.grants.held(shared, &seen)
    {
        return Err(TransactionEnd::Held(held));
    }
    if shared.store.ownership() == Ownership::Own && shared.grants.is_superseded(shared, &seen).await {
        return Err(superseded(shared, &seen));
    }
    let presented = demand.presented(&seen)?;
    Ok(Decided { reason, seen, presented, size, version })
}
