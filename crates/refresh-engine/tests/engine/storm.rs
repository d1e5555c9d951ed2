//! Many entries at once.

use crate::world::{Answering, HOUR, Life, MINUTE, SECOND, STATE, STORE, World, key};
use refresh_engine::State;
use std::path::Path;
use std::time::Duration;
use virtual_disk::Operation;

/// What the virtual server takes for metadata and for an answer.
const METADATA: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_millis(50);

/// Expired entries, dealt out over so many servers.
fn expired(entries: usize, servers: usize) -> World {
    let world = World::new();
    let entry = |number: usize| {
        let (name, server) =
            (format!("lab-{number:04}"), format!("https://server-{}.test", number % servers));
        let text = world.entry(&name, Duration::ZERO).replace(&format!("https://{name}.test"), &server);
        format!("{:?}:{text}", key(&name))
    };
    world.put_members(&(0..entries).map(entry).collect::<Vec<_>>());
    world
}

/// Whether every entry is fresh.
fn is_fresh(life: &Life) -> bool {
    let entries = life.report().entries;
    !entries.is_empty() && entries.iter().all(|entry| entry.state == State::Fresh)
}

/// Lets time pass until every entry is fresh, and tells how much.
async fn all_fresh(life: &Life) -> Duration {
    let mut passed = Duration::ZERO;
    while !is_fresh(life) {
        assert!(passed < 60 * SECOND, "still not fresh");
        life.pass(Duration::from_millis(5)).await;
        passed += Duration::from_millis(5);
    }
    passed
}

/// How often the document was read and replaced.
fn document_calls(life: &Life) -> (usize, usize) {
    let calls = life.disk.calls();
    let reads = calls
        .iter()
        .filter(|call| call.operation == Operation::Read && call.path.ends_with(".credentials.json"));
    let swaps = calls.iter().filter(|call| {
        call.operation == Operation::Rename && call.to.as_ref().is_some_and(|to| to.as_os_str() == STORE)
    });
    (reads.count(), swaps.count())
}

#[tokio::test(start_paused = true)]
async fn tokens_that_expired_during_a_suspend_are_refreshed_at_once() {
    let world = World::with_entries(&[("lab", HOUR), ("other", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.clock.suspend(10 * HOUR);
    life.pass(SECOND).await;
    assert!(life.report().entries.iter().all(|entry| entry.state == State::Fresh));
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_does_not_let_our_token_expire() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
    world.clock.set_back(24 * HOUR);
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 2, "by the boot-time clock it was due");
}

#[tokio::test(start_paused = true)]
async fn a_token_written_while_the_clock_was_ahead_is_refreshed_by_the_next_agent() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    // The clock is corrected while no agent runs: nobody's boot-time clock knows how old the token is.
    life.kill();
    world.clock.set_back(24 * HOUR);
    assert!(world.left("lab") > 24 * HOUR, "its entry claims more than the hour it was given");
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 2);
    assert!(world.left("lab") <= HOUR);
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_entries_on_ten_servers_are_fresh_within_three_round_trips_and_two_writes() {
    if crate::IN_KEYCHAIN {
        return;
    }
    let world = expired(100, 10);
    world.disk.set_sync_time(Duration::from_millis(2));
    let life = world.live().await;
    let passed = all_fresh(&life).await;
    let (reads, writes) = document_calls(&life);
    assert!(passed <= METADATA + 2 * ANSWER + 10 * Duration::from_millis(6), "{passed:?}");
    assert_eq!(world.server.requests(), 100);
    assert!(writes <= 2, "{writes} writes");
    // At the start, together under the locks, and twice for each write.
    assert!(reads <= 8, "{reads} reads");
    // Room for the document: at most once for each wave. Room for the answers: by doubling.
    let of = |operation| life.disk.calls().iter().filter(|call| call.operation == operation).count();
    let (moves, reserves) = (of(Operation::RenameExclusive), of(Operation::Reserve));
    assert!(moves <= 8, "the reserved document was looked at {moves} times");
    assert!(reserves <= 24, "room was reserved {reserves} times");
    // Each record once.
    let file = Path::new(STATE).join("records.jsonl");
    let lines = life.disk.bytes(file).unwrap().iter().filter(|byte| **byte == b'\n').count();
    assert!(lines <= 1 + 100, "{lines} lines of records");
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_room_for_all_takes_as_many_as_it_has_room_for() {
    if crate::IN_KEYCHAIN {
        return;
    }
    let world = expired(20, 20);
    // All want 330 kB for the document, each 64 kB for its answer.
    world.disk.set_free(Some(300_000));
    let life = world.live().await;
    life.pass(SECOND).await;
    let fresh = life.report().entries.iter().filter(|entry| entry.state == State::Fresh).count();
    assert!((1..20).contains(&fresh), "{fresh}");
    // What had none asks again each minute.
    life.pass(40 * MINUTE).await;
    assert!(is_fresh(&life));
}

#[tokio::test(start_paused = true)]
async fn queued_refreshes_continue_while_our_own_writes_cause_change_events() {
    if crate::IN_KEYCHAIN {
        return;
    }
    let world = expired(100, 1);
    let life = world.live().await;
    let keeper = life.keeper.clone();
    // What inotify tells of our own writes, without end.
    let told = async move {
        loop {
            keeper.store_changed();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    life.run(async { drop(tokio::task::spawn_local(told)) }).await;
    let passed = all_fresh(&life).await;
    // Ten at a time.
    assert!(passed <= 11 * (METADATA + ANSWER), "{passed:?}");
    assert_eq!(world.server.requests(), 100);
}

#[tokio::test(start_paused = true)]
async fn no_server_gets_more_than_ten_requests_at_a_time_and_all_servers_a_hundred() {
    // A document of so many entries is more than the Keychain's tool can be handed.
    if crate::IN_KEYCHAIN {
        return;
    }
    let world = expired(300, 20);
    let life = world.live().await;
    let (began, mut most) = (tokio::time::Instant::now(), 0);
    while !is_fresh(&life) {
        assert!(began.elapsed() < 60 * SECOND, "still not fresh");
        life.pass(Duration::from_millis(5)).await;
        most = most.max(life.keeper.running());
    }
    assert_eq!(most, 100);
    let one = expired(30, 1);
    let life = one.live().await;
    life.pass(METADATA + Duration::from_millis(10)).await;
    assert_eq!((one.server.requests(), life.keeper.running()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn document_reads_and_writes_grow_with_waves_not_with_entries() {
    if crate::IN_KEYCHAIN {
        return;
    }
    for (entries, waves) in [(10, 1), (100, 1), (300, 3)] {
        let world = expired(entries, 10);
        let life = world.live().await;
        all_fresh(&life).await;
        let (reads, writes) = document_calls(&life);
        assert!(writes <= waves + 1, "{entries} entries: {writes} writes");
        assert!(reads <= 6 * waves + 3, "{entries} entries: {reads} reads");
        assert_eq!(world.server.requests(), entries);
    }
}

#[tokio::test(start_paused = true)]
async fn an_urgent_pair_does_not_wait_for_others() {
    // The Keychain's tool takes its own time.
    if crate::IN_KEYCHAIN {
        return;
    }
    // What is due is good for some minutes still; what expired last is begun first, and its server is slow.
    let world = World::with_entries(&[("due", 6 * MINUTE), ("other", 5 * MINUTE)]);
    world.server.next([Answering::Slowly(20 * SECOND), Answering::Properly]);
    let life = world.live().await;
    life.pass(METADATA + ANSWER + Duration::from_millis(10)).await;
    let fresh = ["due", "other"].iter().filter(|name| world.left(name) > 30 * MINUTE).count();
    assert_eq!(fresh, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_delays_the_others_by_a_twentieth_of_a_second() {
    // The Keychain's tool takes its own time.
    if crate::IN_KEYCHAIN {
        return;
    }
    let world = World::with_entries(&[("one", Duration::ZERO), ("other", Duration::ZERO)]);
    world.server.next([Answering::Slowly(20 * SECOND), Answering::Properly]);
    let life = world.live().await;
    life.pass(METADATA + ANSWER + Duration::from_millis(60)).await;
    let fresh = ["one", "other"].iter().filter(|name| world.left(name) > Duration::ZERO).count();
    assert_eq!(fresh, 1);
    life.pass(21 * SECOND).await;
    assert!(world.left("one").min(world.left("other")) > Duration::ZERO);
}
