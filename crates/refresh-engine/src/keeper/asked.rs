//! A refresh at the user's request.

use super::refreshed::RefreshedHow;
use super::state::KeeperState;
use crate::decide::plan::{plan, plan_forced};
use crate::decide::planned::{Plan, Until};
use crate::transaction::{Demand, refresh};
use crate::{ObservedEntry, Partners};
use std::rc::Rc;

const STOPPING: &str = "the agent is stopping; try again once it runs";

impl<P: Partners> KeeperState<P> {
    /// One requested refresh.
    pub(super) async fn asked(self: &Rc<Self>, seen: ObservedEntry, force: bool) -> RefreshedHow {
        let shared = &self.shared;
        if self.shared.stopping.get() {
            return RefreshedHow::Failed(STOPPING.into());
        }
        let now = shared.now();
        let demand = if force {
            let policy = shared.policy.borrow();
            match shared.read_record(&seen.entry.key, |record| plan_forced(&seen, record, &policy)) {
                Plan::NeedsPerson(need) => return RefreshedHow::NeedsPerson(need),
                Plan::Ignore(_) => return RefreshedHow::Ignored,
                Plan::Refresh(_) | Plan::Sleep { .. } => Demand::Forced,
            }
        } else {
            let policy = shared.policy.borrow();
            let planned = shared
                .read_record(&seen.entry.key, |record| plan(now, &seen, record, &shared.activity(), &policy));
            match planned {
                Plan::Refresh(_) => Demand::Planned,
                // A requested refresh does not wait for a quiet moment.
                Plan::Sleep { until: Until::Quiet | Until::Retry | Until::Use, .. } => Demand::Forced,
                Plan::Sleep { .. } => return RefreshedHow::NotNeeded,
                Plan::NeedsPerson(need) => return RefreshedHow::NeedsPerson(need),
                Plan::Ignore(_) => return RefreshedHow::Ignored,
            }
        };
        self.carry_out(seen, demand).await
    }

    /// One refresh, unless one is running or the refresh token may be spent.
    pub(super) async fn carry_out(self: &Rc<Self>, seen: ObservedEntry, demand: Demand) -> RefreshedHow {
        let shared = &self.shared;
        if shared.stopping.get() {
            return RefreshedHow::Failed(STOPPING.into());
        }
        if let (Demand::Forced, Some(held)) = (&demand, shared.grants.held(shared, &seen)) {
            return RefreshedHow::Held(held);
        }
        let Some(run) = shared.begin(&seen.entry.key) else { return RefreshedHow::Running };
        let ended = refresh(shared, run, &seen, demand).await;
        self.finished(&seen.entry.key);
        ended.into()
    }
}
