//! Killed, or cut from power, at every call to the disk: afterwards the pair is in the store, or the request was never sent, or
//! the case is ambiguous and said to be.

use crate::world::{HOUR, MINUTE, SECOND, World};
use refresh_engine::{Event, Mode, State};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use virtual_disk::{Operation, PowerCut};

/// How the life before ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Cut(PowerCut),
}

/// Ends a life right before its `point`-th call that changes the disk, and starts the next one. Returns false when the life had no
/// such call any more.
async fn survives(point: u64, end: End, sync_time: Duration) -> bool {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    world.disk.set_sync_time(sync_time);
    let before = world.stored_refresh("lab");
    let process = world.disk.process();
    let cut = Rc::new(Cell::new(None));
    let calls = Rc::new(Cell::new(0));
    process.on_call({
        let (calls, cut, handle, whole) =
            (Rc::clone(&calls), Rc::clone(&cut), process.clone(), world.disk.clone());
        move |call| {
            if call.operation.changes() && handle.is_alive() {
                calls.set(calls.get() + 1);
                if calls.get() == point {
                    if let End::Cut(kind) = end {
                        cut.set(Some(whole.power_cut(kind)));
                    }
                    handle.kill();
                }
            }
            None
        }
    });
    let life = world.live_as(process.clone(), Mode::Watch).await;
    if let Some(life) = &life {
        life.pass(20 * SECOND).await;
    }
    let reached = !process.is_alive();
    drop(life);
    let visible = world.stored_refresh("lab") != before;
    process.kill();
    let sent = world.server.requests();

    let World { disk, .. } = world;
    let world = World { disk: cut.take().unwrap_or(disk), ..world };
    let life = world.live().await;
    // Half an hour: locks of the dead go stale, pauses end.
    life.pass(30 * MINUTE).await;
    let stored = world.stored_refresh("lab");
    let ambiguous =
        world.log.count(|event| matches!(event, Event::Replayed { what } if what.contains("may be spent")));
    let context = format!("point {point}, {end:?}: sent {sent}, stored {stored}, before {before}");
    if sent == 0 || world.server.is_good(&stored) {
        assert!(world.server.is_good(&stored), "the grant lives: {context}");
        assert_eq!(life.entry("lab").state, State::Fresh, "{context}");
    } else {
        assert!(!visible, "what was visible once may not be lost again: {context}");
        assert!(ambiguous > 0, "said to be ambiguous: {context}, {:#?}", world.log.events());
    }
    assert!(world.text().contains("1e400") && world.text().ends_with(r#""later":[1.10,{}]}"#), "{context}");
    assert_eq!(life.report().journal_open, 0, "{context}");
    // Nothing of ours is left in the store's folder.
    let names = world.disk.names_in("/home/u/.claude");
    assert!(names.iter().all(|name| !name.contains("mcp-refreshd")), "{context}: {names:?}");
    reached
}

async fn at_every_call(end: End, sync_time: Duration) -> u64 {
    for point in 1..500 {
        if !survives(point, end, sync_time).await {
            return point - 1;
        }
    }
    panic!("a transaction of 500 calls?");
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_call_loses_no_grant() {
    let points = at_every_call(End::Killed, Duration::from_millis(5)).await;
    assert!(points > 15, "{points} calls change the disk in one refresh");
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_call_loses_no_grant() {
    for cut in PowerCut::ALL {
        let points = at_every_call(End::Cut(cut), Duration::from_millis(5)).await;
        assert!(points > 15, "{cut:?}: {points}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_to_a_kill_is_requested_again_within_the_grace_period() {
    for moment in 1..=25_u32 {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.server.grace.set(30 * SECOND);
        world.server.next([crate::world::Answering::Slowly(10 * SECOND)]);
        let life = world.live().await;
        life.pass(Duration::from_millis(100) + 10 * SECOND / 26 * moment).await;
        assert_eq!(world.server.requests(), 1);
        life.kill();
        let life = world.live().await;
        life.pass(4 * SECOND).await;
        assert_eq!(world.server.requests(), 2, "{moment}");
        assert_eq!(life.entry("lab").state, State::Fresh, "{moment}");
        assert!(world.server.is_good(&world.stored_refresh("lab")), "{moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_to_a_kill_after_another_lost_one_is_requested_at_once() {
    use crate::world::Answering;
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.grace.set(10 * SECOND);
    world.server.next(vec![Answering::LostBefore; 5]);
    world.server.next([Answering::Slowly(10 * SECOND)]);
    let life = world.live().await;
    life.pass(90 * SECOND).await;
    assert_eq!(world.server.requests(), 6);
    life.kill();
    let life = world.live().await;
    life.pass(4 * SECOND).await;
    assert_eq!((world.server.requests(), world.server.reuses.get()), (7, 0));
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_time_counts_from_the_request_not_from_an_earlier_suspend() {
    let world = Rc::new(World::with_entries(&[("lab", Duration::ZERO)]));
    world.server.grace.set(30 * SECOND);
    world.server.next([crate::world::Answering::Slowly(10 * SECOND)]);
    let process = world.disk.process();
    process.on_call({
        let (world, slept, intended) = (Rc::clone(&world), Cell::new(false), Cell::new(0));
        move |call| {
            let journal = call.path.ends_with("journal");
            intended.set(intended.get() + u32::from(journal && call.operation == Operation::Append));
            // The header, and the intent that is about to become durable.
            if intended.get() == 2 && journal && call.operation == Operation::Sync && !slept.replace(true) {
                world.clock.suspend(2 * HOUR);
            }
            None
        }
    });
    let life = world.live_as(process, Mode::Watch).await.unwrap();
    life.pass(5 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    life.kill();
    let life = world.live().await;
    life.pass(4 * SECOND).await;
    assert_eq!((world.server.requests(), world.server.reuses.get()), (2, 0));
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_keeps_dying_does_not_keep_presenting_the_token() {
    let world = World::with_entries(&[("lab", HOUR)]);
    *world.server.always.borrow_mut() = Some(crate::world::Answering::HangsThen(20 * SECOND, 503));
    let mut life = world.live().await;
    life.run(life.keeper.first_scan()).await;
    let (asked, names) = (life.keeper.clone(), ["lab".to_owned()]);
    let _ = tokio::time::timeout(2 * SECOND, life.run(asked.refresh(&names, true))).await;
    for _ in 0..10 {
        life.kill();
        life = world.live().await;
        life.pass(5 * SECOND).await;
    }
    assert_eq!(world.server.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_to_a_kill_long_ago_is_requested_shortly_before_expiry() {
    let world = World::with_entries(&[("lab", 2 * HOUR)]);
    world.server.grace.set(4 * HOUR);
    world.server.next([crate::world::Answering::Slowly(20 * SECOND)]);
    let life = world.live().await;
    life.run(life.keeper.first_scan()).await;
    let asked = life.keeper.clone();
    let names = ["lab".to_owned()];
    let _ = tokio::time::timeout(2 * SECOND, life.run(asked.refresh(&names, true))).await;
    assert_eq!(world.server.requests(), 1);
    life.kill();
    tokio::time::sleep(HOUR).await;
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert_eq!(world.server.requests(), 1, "held still");
    assert_eq!(life.entry("lab").state, State::Retrying);
    life.pass(51 * MINUTE).await;
    assert_eq!(world.server.requests(), 1, "held still");
    life.pass(2 * MINUTE).await;
    assert_eq!(world.server.requests(), 2, "once more, at seven minutes left");
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_killed_agents_lock_does_not_delay_the_next_one() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world
        .server
        .next([crate::world::Answering::Status(503, "busy"), crate::world::Answering::Slowly(20 * SECOND)]);
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 2);
    life.kill();
    let lock = "mcp-refresh-lab_6f671eeac57e3e15.lock.lock".to_owned();
    assert!(world.disk.names_in("/home/u/.claude").contains(&lock));
    let life = world.live().await;
    life.pass(SECOND).await;
    assert!(!world.disk.names_in("/home/u/.claude").contains(&lock), "clients need not wait for the dead");
    drop(life);
}

/// Clients give up a write after 7.5 s without the lock, and lose what they would have written.
#[tokio::test(start_paused = true)]
async fn a_storage_lock_of_a_killed_agent_delays_neither_the_next_one_nor_a_client() {
    // A Keychain's document is not written by calls to the disk.
    let swap = (!crate::IN_KEYCHAIN).then_some((Operation::Rename, false));
    for (call, written) in swap.into_iter().chain([(Operation::RemoveFolder, true)]) {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        let before = world.stored_refresh("lab");
        let lock = "/home/u/.claude/.storage-write.lock";
        let process = world.disk.process();
        process.on_call({
            let (disk, handle) = (world.disk.clone(), process.clone());
            move |made| {
                if made.operation == call && disk.exists(lock) {
                    handle.kill();
                }
                None
            }
        });
        let life = world.live_as(process.clone(), Mode::Watch).await;
        if let Some(life) = &life {
            life.pass(10 * SECOND).await;
        }
        drop(life);
        assert!(!process.is_alive() && world.disk.exists(lock), "{call:?}");
        assert_eq!(world.stored_refresh("lab") != before, written, "{call:?}");
        let life = world.live().await;
        life.pass(SECOND).await;
        assert!(!world.disk.exists(lock), "{call:?}");
        assert!(world.server.is_good(&world.stored_refresh("lab")), "{call:?}");
        assert_eq!((world.server.requests(), life.report().journal_open), (1, 0), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i1_after_a_dead_answer_and_a_kill_the_token_is_not_presented_again() {
    for point in 1..200 {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.disk.set_sync_time(Duration::from_millis(5));
        world.server.revoke("lab");
        let process = world.disk.process();
        let calls = Rc::new(Cell::new(0));
        process.on_call({
            let (calls, handle) = (Rc::clone(&calls), process.clone());
            move |call| {
                if call.operation.changes() && handle.is_alive() {
                    calls.set(calls.get() + 1);
                    if calls.get() == point {
                        handle.kill();
                    }
                }
                None
            }
        });
        let life = world.live_as(process.clone(), Mode::Watch).await;
        if let Some(life) = &life {
            life.pass(20 * SECOND).await;
        }
        let reached = !process.is_alive();
        drop(life);
        process.kill();
        let life = world.live().await;
        life.pass(20 * SECOND).await;
        let ambiguous = || {
            let spent =
                |event: &Event| matches!(event, Event::Replayed { what } if what.contains("may be spent"));
            world.log.count(spent)
        };
        assert!(world.server.requests() <= 1 + ambiguous(), "point {point}: {}", world.server.requests());
        life.pass(30 * MINUTE).await;
        // The two later looks at an answer that says dead are made once, whoever lives by then.
        assert!(world.server.requests() <= 3 + ambiguous(), "point {point}: {}", world.server.requests());
        assert_eq!(life.entry("lab").state, State::NeedsPerson, "point {point}");
        if !reached {
            assert!(point > 10);
            return;
        }
    }
    panic!("a transaction of 200 calls?");
}

#[tokio::test(start_paused = true)]
async fn i1_a_spent_token_is_remembered_after_a_kill() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let old = world.text();
    let before = world.stored_refresh("lab");
    let life = world.live().await;
    // To the millisecond in which the pair is in the store and the transaction over.
    while life.report().entries.is_empty()
        || life.keeper.running() > 0
        || world.stored_refresh("lab") == before
    {
        life.pass(Duration::from_millis(1)).await;
    }
    life.kill();
    // An old client writes back what it had read before.
    world.put_text(&old);
    let life = world.live().await;
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(world.server.reuses.get(), 0);
    drop(life);
}
