use crate::agent::Agent;
use crate::control::report::EntryStatus;
use crate::observers::notices::delivery;
use crate::observers::notices::ledger::Ledger;
use crate::observers::notices::trouble::{Id, Trouble};
use crate::platform::clock::SystemClock;
use crate::platform::moment::is_before;
use jiff::Timestamp;
use refresh_engine::{Clock, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A burst of events is looked at once; what mends itself within this time is not told.
const SETTLE: Duration = Duration::from_secs(2);

/// So long after the start what was told before counts as unsolved, whether it was found again or not.
const FIRST_ROUND: Duration = Duration::from_secs(5 * 60);

/// Tells a person what is wrong, for ever.
pub(crate) async fn tell(agent: Rc<Agent>, state: &Path) {
    let notices = &agent.observer().notices;
    let first_round = SystemClock.now().after(FIRST_ROUND);
    let mut ledger = Ledger::load(state);
    let mut shown = BTreeMap::new();
    // At once for what was there before the start.
    let mut again = Some(SystemClock.now());
    loop {
        let settled = !is_before(SystemClock.now(), first_round);
        // Where nothing was told there is nothing to find solved.
        let round = (!settled && !ledger.is_empty()).then_some(first_round);
        tokio::select! {
            () = notices.news().notified() => {}
            () = sleep_until(round) => {}
            () = sleep_until(again) => {}
        }
        tokio::time::sleep(SETTLE).await;
        let settled = !is_before(SystemClock.now(), first_round);
        let status = agent.status(None);
        let unreadable = status.stores.iter().filter(|store| store.unreadable.is_some());
        let unreadable = unreadable.map(|store| store.location.clone()).collect();
        let history = &agent.observer().history;
        let open = notices.troubles(&status, Timestamp::now(), &|store, key| history.had_login(store, key));
        withdraw_solved(&mut shown, &open, &unreadable).await;
        let (due, next) = ledger.due(open, &unreadable, settled, Timestamp::now());
        // By the wall clock, which goes on during a suspend, and in which it was noted.
        let ending = status.stores.iter().flat_map(|store| &store.entries).filter_map(EntryStatus::warned_at);
        let ending = ending.filter(|at| *at > Timestamp::now()).min();
        again = [next, ending].into_iter().flatten().min().map(|wall| Now { wall, boot: Duration::MAX });
        let config = notices.config();
        for trouble in &due {
            if config.desktop {
                let before = shown.remove(&trouble.id());
                shown.extend(delivery::desktop(trouble, before).await.map(|number| (trouble.id(), number)));
            }
            if let Some(hook) = &config.hook {
                delivery::hook(hook, trouble).await;
            }
        }
    }
}

/// Takes what was solved from the desktop. What is on it was shown by this run, so that it is known when it is solved; numbers of an
/// earlier desktop could be anybody's.
async fn withdraw_solved(shown: &mut BTreeMap<Id, u32>, open: &[Trouble], unreadable: &BTreeSet<String>) {
    let open: BTreeSet<_> = open.iter().map(Trouble::id).collect();
    let is_solved = |id: &Id| !open.contains(id) && !unreadable.contains(&id.0);
    let solved: Vec<_> = shown.keys().filter(|id| is_solved(id)).cloned().collect();
    for number in solved.iter().filter_map(|id| shown.remove(id)) {
        delivery::withdraw(number).await;
    }
}

async fn sleep_until(moment: Option<Now>) {
    match moment {
        Some(moment) => SystemClock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
