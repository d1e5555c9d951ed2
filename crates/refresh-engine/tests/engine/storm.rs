//! Many entries at once.

use crate::world::{HOUR, SECOND, World};
use refresh_engine::State;
use std::time::Duration;

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
