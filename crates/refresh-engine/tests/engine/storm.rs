//! Many entries at once.

use crate::world::{HOUR, SECOND, STORE, World};
use refresh_engine::State;
use std::path::Path;
use std::time::Duration;
use virtual_disk::Operation;

#[tokio::test(start_paused = true)]
async fn a_storm_of_100_refreshes_costs_a_few_writes() {
    let names: Vec<String> = (0..100).map(|n| format!("server{n}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Duration::ZERO)).collect();
    let world = World::with_entries(&entries);
    world.disk.set_sync_time(Duration::from_millis(5));
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert_eq!(world.server.requests(), 100);
    assert!(life.report().entries.iter().all(|entry| entry.state == State::Fresh));
    let writes = life
        .disk
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::Rename && call.to.as_deref() == Some(Path::new(STORE)))
        .count();
    assert!(writes <= 16, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn no_wake_up_happens_between_due_times() {
    let world = World::with_entries(&[("lab", 10 * HOUR), ("other", 9 * HOUR)]);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    life.disk.forget_calls();
    life.pass(6 * HOUR).await;
    assert_eq!(life.disk.calls(), [], "nothing is looked at before something is due");
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_over_the_expiry_is_fresh_at_once() {
    let world = World::with_entries(&[("lab", HOUR), ("other", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.clock.suspend(10 * HOUR);
    life.pass(SECOND).await;
    assert!(life.report().entries.iter().all(|entry| entry.state == State::Fresh));
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_does_not_let_a_token_of_ours_expire() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
    world.clock.set_back(24 * HOUR);
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 2, "by the boot-time clock it was due");
}
