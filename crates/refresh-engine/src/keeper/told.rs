//! Events that follow from an entry's plan: it rests, or the user is needed.

use super::state::{KeeperState, Mode};
use crate::decide::memory::Heal;
use crate::decide::need::Need;
use crate::decide::plan::open_need;
use crate::store_access::shared::Shared;
use crate::transaction::heal;
use crate::{Event, Now, ObservedEntry, Partners};
use std::rc::Rc;

impl<P: Partners> KeeperState<P> {
    /// Only a keeper that acts by itself lets an entry rest.
    pub(super) fn tell_rests(&self, turned: Vec<(Rc<ObservedEntry>, bool)>) {
        for (seen, rests) in turned.into_iter().filter(|_| self.mode == Mode::Watch) {
            self.shared.state(&seen.entry.key, |known| known.rests = rests);
            self.shared.tell(&seen, if rests { Event::Rests } else { Event::RestOver });
        }
    }

    pub(super) fn tell_needs(&self, now: Now) {
        let shared = &self.shared;
        let mut news = Vec::new();
        {
            let entries = shared.entries.borrow();
            let policy = shared.policy.borrow();
            for (key, known) in entries.iter().filter(|(_, known)| !known.is_running()) {
                let Some(seen) = &known.current else { continue };
                let need = shared.read_record(key, |record| {
                    let mendable = heal::can_revive(shared, seen, record)
                        || known.heal(seen, shared.stub_for(known, now), record) != Heal::Nothing;
                    open_need(now, seen, record, &policy)
                        .filter(|_| !mendable)
                        .filter(|need| *need != Need::Spent || !successor(shared, seen))
                });
                let told = known.told.as_ref();
                if need.is_some() != told.is_some()
                    || need.as_ref().zip(told).is_some_and(|(need, told)| !need.is_like(told))
                {
                    news.push((seen.clone(), need));
                }
            }
        }
        for (seen, need) in news {
            shared.state(&seen.entry.key, |known| known.told.clone_from(&need));
            if let Some(need) = need {
                shared.tell(&seen, Event::NeedsPerson { need });
            }
        }
    }
}

/// Whether another entry got the pair that this one lacks.
fn successor<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) -> bool {
    shared.grants.successor(shared, seen).is_some()
}
