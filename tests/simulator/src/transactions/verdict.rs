//! Decides over one transaction, from the server's books, the store, the journal and what was said.

use super::fault::{Another, Blow};
use super::fault_injector::FaultInjector;
use super::trial::Settled;
use crate::entry::{document, entry};
use crate::fault_schedule::{MINUTE, SECOND};
use crate::grant::{Actor, End, Grant, Rotation};
use crate::log::{Exchanged, Told};
use crate::watch::STORAGE_LOCK;
use crate::world::{FOLDER, STATE, World};
use refresh_engine::Journal;
use std::path::Path;

/// How one transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Fresh by the one request of the transaction itself.
    AtOnce,
    /// Fresh once the fault was over.
    After,
    /// Fresh, though for a while nobody knew whether the refresh token was spent.
    AfterAmbiguous,
    /// A person removed the entry, and it is removed.
    Removed,
    /// Nobody could have kept the grant.
    Lost(&'static str),
    Failed(Vec<String>),
}

pub(crate) fn judge(injector: &FaultInjector, settled: Settled) -> Ended {
    let world = &injector.world;
    let mut complaints = world.watch.complaints();
    complaints.extend(world.account.borrow().failures.iter().cloned());
    complaints.extend(presented_again(injector));
    complaints.extend(left_behind(injector));
    complaints.dedup();
    let ended = match settled {
        Settled::Fresh => how_fresh(injector),
        Settled::Removed if is_removed(injector) => Ended::Removed,
        Settled::Removed => Ended::Failed(vec!["I5: the entry was removed and is there".to_owned()]),
        Settled::Lost | Settled::Never => {
            let lost = !holds_a_good_token(world);
            let grants = world.servers[0].grants.borrow();
            match grants.last().and_then(|grant| excuse(injector, grant)) {
                Some(cause) if lost => Ended::Lost(cause),
                _ => {
                    let what = if settled == Settled::Lost { "the grant is lost" } else { "not fresh again" };
                    let grant = grants.last();
                    Ended::Failed(vec![format!(
                        "{what}: {:?} {:?}, deaths {:?}, the store holds {:?}",
                        grant.and_then(|grant| grant.end),
                        grant.and_then(Grant::newest),
                        injector.deaths.borrow(),
                        document(world).and_then(|document| entry(&document, 0)),
                    )])
                }
            }
        }
    };
    match ended {
        Ended::Failed(more) => Ended::Failed([complaints, more].concat()),
        _ if !complaints.is_empty() => Ended::Failed(complaints),
        ended => ended,
    }
}

fn how_fresh(injector: &FaultInjector) -> Ended {
    let log = injector.world.log.exchanges();
    let ours = || log.iter().filter(|exchanged| exchanged.by == Actor::Daemon);
    let ambiguous =
        |exchanged: &Exchanged| matches!(exchanged.told, None | Some((_, Told::Lost | Told::Unknown)));
    if ours().any(ambiguous) {
        Ended::AfterAmbiguous
    } else if ours().count() == 1 && injector.deaths.borrow().is_empty() && !injector.is_late() {
        Ended::AtOnce
    } else {
        Ended::After
    }
}

fn is_removed(injector: &FaultInjector) -> bool {
    let by_another =
        |blow: &Blow| matches!(blow, Blow::Another(another) if !matches!(another, Another::LogsOut { .. }));
    // A second program that writes the entry again is not the daemon; its own writes were looked at one by one.
    holds_no_token(&injector.world) || injector.case.faults.iter().any(|fault| by_another(&fault.blow))
}

/// Whether the store's refresh token would be exchanged.
fn holds_a_good_token(world: &World) -> bool {
    let entry = document(world).and_then(|document| entry(&document, 0));
    let refresh = entry.and_then(|entry| entry.refresh);
    refresh.is_some_and(|refresh| world.servers[0].is_good(&refresh, world.now()))
}

fn holds_no_token(world: &World) -> bool {
    let entry = document(world).and_then(|document| entry(&document, 0));
    entry.is_none_or(|entry| entry.refresh.is_none() && entry.access.is_empty())
}

/// I1: once a successor was received, or a token was called dead for the last time, it is not presented again.
fn presented_again(injector: &FaultInjector) -> Vec<String> {
    let log = injector.world.log.exchanges();
    let deaths = injector.deaths.borrow();
    let rotates = injector.case.grace().is_some();
    let logged_out = injector.case.logs_out() && !injector.case.alone();
    let mut complaints = Vec::new();
    let mut spent: Vec<&str> = Vec::new();
    let mut dead: Vec<(&str, usize)> = Vec::new();
    for exchanged in log.iter().filter(|exchanged| exchanged.by == Actor::Daemon) {
        let presented = exchanged.presented.as_str();
        if spent.contains(&presented) {
            complaints.push(format!("I1: {presented} was presented again after its successor was received"));
        }
        match exchanged.told {
            Some((at, Told::Fresh)) if rotates => {
                let taken = deaths.iter().any(|death| death.took_answer && death.at >= at)
                    || injector.journal_refused.get() && deaths.iter().any(|death| death.at >= at);
                // With a logout everything that was known of the entry is forgotten; the second fault brought the entry back.
                if !taken && !logged_out {
                    spent.push(presented);
                }
            }
            Some((_, Told::Dead)) => match dead.iter_mut().find(|(token, _)| *token == presented) {
                Some((_, times)) => *times += 1,
                None => dead.push((presented, 1)),
            },
            _ => {}
        }
    }
    // Early; three looks once the access token has ended; by a heal of a wiped entry; and after a death that took the note of it.
    let allowed = 5 + deaths.len();
    for (token, times) in dead.iter().filter(|(_, times)| *times > allowed) {
        complaints.push(format!("I1: {token} is dead and was presented {times} times"));
    }
    complaints
}

/// Temporary files, locks and open transactions.
pub(crate) fn left_behind(injector: &FaultInjector) -> Vec<String> {
    let world = &injector.world;
    let disk = world.disk.borrow();
    let mut left = Vec::new();
    for name in disk.names_in(FOLDER) {
        let path = format!("{FOLDER}/{name}");
        let expected = name == ".credentials.json" || name == "mcp-needs-auth-cache.json";
        // A lock whose holder was killed, or that the disk does not let go, is stale to everybody within a minute.
        let stale = name.contains(".lock")
            && (!injector.deaths.borrow().is_empty() || injector.case.is_of_the_disk())
            || path == STORAGE_LOCK && injector.case.locks_the_storage();
        if !expected && !stale {
            left.push(format!("left behind: {path}"));
        }
    }
    for name in disk.names_in(STATE) {
        // The next save of the records takes the place of one that was cut.
        let cut = name == "records.jsonl.new"
            && (!injector.deaths.borrow().is_empty() || injector.case.is_of_the_disk());
        if !matches!(name.as_str(), "journal" | "records.jsonl") && !cut {
            left.push(format!("left behind: {STATE}/{name}"));
        }
    }
    let open = Journal::peek(&*disk, Path::new(STATE)).unwrap_or_default();
    // Where a power cut left no document, the pair stays in the journal until there is one again.
    if document(world).is_none() {
        return left;
    }
    // One that another pair made superfluous stays until that pair has refreshed once.
    let open = open.iter().filter(|open| open.superseded_by.is_none()).count();
    if open > 0 {
        left.push(format!("left behind: {open} open transactions in the journal"));
    }
    left
}

/// Why nobody could have kept the grant; `None` where the daemon could.
fn excuse(injector: &FaultInjector, grant: &Grant) -> Option<&'static str> {
    let (world, case) = (&injector.world, &injector.case);
    let log = world.log.exchanges();
    let deaths = injector.deaths.borrow();
    if case.another_writes() && (!deaths.is_empty() || case.stops()) {
        return Some("another program destroyed the entry while no daemon remembered it");
    }
    let gone = document(world).is_none_or(|document| entry(&document, 0).is_none());
    if gone && case.two_others_write() {
        // Each found half of what the other was writing in place.
        return Some("two other programs wrote over each other");
    }
    if holds_no_token(world) && !case.alone() && log.iter().any(heal_was_lost) {
        return Some("a wiped entry is healed by one request, and its answer was lost");
    }
    let grace = case.grace()?;
    let newest = grant.newest()?;
    // A slow disk draws the moment between the look and the request out.
    let moment = if case.alone() { SECOND } else { MINUTE };
    let lockless = case.has_lockless_client() && at_the_same_moment(&log, moment);
    let culprit = log.iter().rev().find(|exchanged| made(exchanged, newest))?;
    if lockless && (newest.by != Actor::Daemon || matches!(culprit.told, Some((_, Told::Fresh)))) {
        return Some(if case.alone() {
            "a client refreshed without the lock at the same moment"
        } else {
            "a client refreshed without the lock, and a second fault"
        });
    }
    let reused_by_client =
        matches!(grant.end, Some(End::Reused { by: Actor::Client { .. }, .. })) && !case.alone();
    if newest.by != Actor::Daemon || reused_by_client {
        // It goes on without the lock where ours is held for long, which takes a second fault.
        return (!case.alone()).then_some("a client refreshed at the same moment, and a second fault");
    }
    let retried_in_time = |slowest: u64| case.alone() && grace > slowest + case.asleep();
    let after = |at: u64| deaths.iter().find(move |death| death.at >= at);
    match culprit.told {
        Some((at, Told::Fresh)) => {
            let took = deaths.iter().find(|death| death.at >= at && death.took_answer);
            match took {
                Some(_) if retried_in_time(3 * MINUTE) => None,
                Some(death) if death.power => Some("the power went before the answer was durable"),
                Some(_) => Some("the daemon was killed before it could note the answer"),
                None if !case.alone() && injector.journal_refused.get() && after(at).is_some() => {
                    Some("the disk did not take the answer, and the daemon died before another try")
                }
                // A name that the disk twice refused to make durable; the pair was in the store by then.
                None if case.is_of_the_disk() && after(at).is_some_and(|death| death.power) => {
                    Some("the disk did not make the swap durable, and the power went")
                }
                None => None,
            }
        }
        Some((_, Told::Withheld)) => Some("the server kept the new refresh token to itself"),
        Some((_, Told::NotNow)) if !retried_in_time(9 * SECOND) => Some("the server denied what it had done"),
        Some((_, Told::Lost)) if !retried_in_time(9 * SECOND) => Some("the answer was lost on the wire"),
        Some((_, Told::Unknown)) if !retried_in_time(MINUTE) => Some("the answer was lost on the wire"),
        None if !retried_in_time(MINUTE) => match after(culprit.began) {
            Some(death) if death.power => Some("the power went while the answer was on its way"),
            Some(_) => Some("the daemon was killed while the answer was on its way"),
            None => None,
        },
        _ => None,
    }
}

/// A request of the daemon after which nobody knew.
fn heal_was_lost(exchanged: &Exchanged) -> bool {
    exchanged.by == Actor::Daemon && matches!(exchanged.told, None | Some((_, Told::Lost | Told::Unknown)))
}

/// Whether a client and the daemon presented the same token at the same moment.
fn at_the_same_moment(log: &[Exchanged], moment: u64) -> bool {
    let ended = |exchanged: &Exchanged| exchanged.told.map_or(u64::MAX, |(at, _)| at.saturating_add(moment));
    let meets = |ours: &Exchanged, theirs: &Exchanged| {
        ours.presented == theirs.presented && ours.began <= ended(theirs) && theirs.began <= ended(ours)
    };
    let (ours, theirs): (Vec<_>, Vec<_>) = log.iter().partition(|exchanged| exchanged.by == Actor::Daemon);
    theirs.iter().any(|theirs| ours.iter().any(|ours| meets(ours, theirs)))
}

/// Whether this exchange made that rotation.
pub(crate) fn made(exchanged: &Exchanged, rotation: &Rotation) -> bool {
    let ended = exchanged.told.map_or(u64::MAX, |(at, _)| at);
    (exchanged.by == Actor::Daemon) == (rotation.by == Actor::Daemon)
        && exchanged.began <= rotation.at
        && rotation.at <= ended
}
