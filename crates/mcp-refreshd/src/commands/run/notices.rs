use crate::agent::Agent;
use crate::observers::notices::delivery;
use crate::observers::notices::ending::Endings;
use crate::observers::notices::ledger::Ledger;
use crate::observers::notices::trouble::{Id, Trouble};
use crate::platform::clock::SystemClock;
use crate::platform::moment::is_before;
use compact::{Map, Set};
use jiff::Timestamp;
use refresh_engine::{Clock, Now};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A burst of events is handled once; what heals within this time is not reported.
const SETTLE: Duration = Duration::from_secs(2);

/// For this long after the start, troubles reported earlier count as unsolved even if they have not been found again.
const FIRST_ROUND: Duration = Duration::from_secs(5 * 60);

/// Notifies the user of troubles, forever.
pub(crate) async fn tell(agent: Rc<Agent>, state: &Path) {
    let notices = &agent.observer().notices;
    let first_round = SystemClock.now().after(FIRST_ROUND);
    let mut ledger = Ledger::load(state);
    let mut shown = Map::new();
    let mut again = None;
    let mut endings = Endings::default();
    let (mut ending, mut look) = endings.troubles(&agent.status(None), Timestamp::now());
    loop {
        let settled = !is_before(SystemClock.now(), first_round);
        // Without earlier notices there is nothing to resolve.
        let round = (!settled && !ledger.is_empty()).then_some(first_round);
        tokio::select! {
            () = notices.news().notified() => {}
            () = sleep_until(round) => {}
            () = sleep_until(again) => {}
            () = sleep_until(look.map(at)) => {}
            () = std::future::ready(()), if !ending.is_empty() => {}
        }
        tokio::time::sleep(SETTLE).await;
        let settled = !is_before(SystemClock.now(), first_round);
        let status = agent.status(None);
        let unreadable = status.stores.iter().filter(|store| store.unreadable.is_some());
        let unreadable = unreadable.map(|store| store.location.clone()).collect();
        let history = &agent.observer().history;
        let mut open = notices.troubles(&status, &|store, key| history.had_login(store, key));
        let (ends, then) = endings.troubles(&status, Timestamp::now());
        open.extend(ends);
        look = then;
        ending.clear();
        withdraw_solved(&mut shown, &open, &unreadable).await;
        let (due, next) = ledger.due(open, &unreadable, settled, Timestamp::now());
        // By the wall clock, which was used to note it and which goes on during a suspend.
        again = next.map(at);
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

/// Closes notices of solved troubles. Only those that this run has shown: an id from an earlier desktop session could belong to any
/// program.
async fn withdraw_solved(shown: &mut Map<Id, u32>, open: &[Trouble], unreadable: &Set<String>) {
    let open: Set<_> = open.iter().map(Trouble::id).collect();
    let is_solved = |id: &Id| !open.contains(id) && !unreadable.contains(&id.0);
    let solved: Vec<_> = shown.keys().filter(|id| is_solved(id)).cloned().collect();
    for number in solved.iter().filter_map(|id| shown.remove(id)) {
        delivery::withdraw(number).await;
    }
}

fn at(wall: Timestamp) -> Now {
    Now { wall, boot: Duration::MAX }
}

async fn sleep_until(moment: Option<Now>) {
    match moment {
        Some(moment) => SystemClock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
