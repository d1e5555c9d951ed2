//! A refresh at the user's request.

use super::refreshed::RefreshedHow;
use super::state::KeeperState;
use crate::decide::plan::{plan, plan_forced};
use crate::decide::planned::{Plan, Until};
use crate::store_access::entry_state::RunId;
use crate::transaction::{Demand, refresh};
use crate::{ObservedEntry, Partners};
use std::rc::Rc;

const STOPPING: &str = "the agent is stopping; try again once it runs";

impl<P: Partners> KeeperState<P> {
    /// One requested refresh.
    pub(super) async fn asked(self: &Rc<Self>, seen: Rc<ObservedEntry>, force: bool) -> RefreshedHow {
        let begun = self.demanded(&seen, force).and_then(|demand| self.begun(&seen, demand));
        match begun {
            Ok(begun) => self.carry_out(seen, begun).await,
            Err(how) => how,
        }
    }

    /// What the user's request amounts to.
    pub(super) fn demanded(&self, seen: &ObservedEntry, force: bool) -> Result<Demand, RefreshedHow> {
        let shared = &self.shared;
        if shared.stopping.get() {
            return Err(RefreshedHow::Failed(STOPPING.into()));
        }
        let now = shared.now();
        let policy = shared.policy.borrow();
        let planned = shared.read_record(&seen.entry.key, |record| match force {
            true => plan_forced(seen, record, &policy),
            false => plan(now, seen, record, &shared.activity(), &policy),
        });
        match planned {
            Plan::NeedsPerson(need) => Err(RefreshedHow::NeedsPerson(need)),
            Plan::Ignore(_) => Err(RefreshedHow::Ignored),
            Plan::Refresh(_) | Plan::Sleep { .. } if force => Ok(Demand::Forced),
            Plan::Refresh(_) => Ok(Demand::Planned),
            // A requested refresh does not wait for a quiet moment.
            Plan::Sleep { until: Until::Quiet | Until::Retry | Until::Use, .. } => Ok(Demand::Forced),
            Plan::Sleep { .. } => Err(RefreshedHow::NotNeeded),
        }
    }

    /// Begins a refresh, unless one is running or the refresh token may be spent. Nobody else can begin one from here on.
    pub(super) fn begun(&self, seen: &ObservedEntry, demand: Demand) -> Result<Begun, RefreshedHow> {
        let shared = &self.shared;
        if shared.stopping.get() {
            return Err(RefreshedHow::Failed(STOPPING.into()));
        }
        if let (Demand::Forced, Some(held)) = (&demand, shared.grants.held(shared, seen)) {
            return Err(RefreshedHow::Held(held));
        }
        let run = shared.begin(&seen.entry.key).ok_or(RefreshedHow::Running)?;
        Ok(Begun { run, demand })
    }

    /// The refresh that was begun.
    pub(super) async fn carry_out(self: &Rc<Self>, seen: Rc<ObservedEntry>, begun: Begun) -> RefreshedHow {
        let ended = refresh(&self.shared, begun.run, &seen, begun.demand).await;
        self.finished(&seen.entry.key);
        ended.into()
    }
}

/// A refresh that was begun and must be carried out.
#[must_use = "the entry counts as being refreshed until the refresh was carried out"]
pub(super) struct Begun {
    run: RunId,
    demand: Demand,
}
