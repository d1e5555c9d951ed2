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

#[tokio::test(start_paused = true)]
async fn a_token_written_while_the_clock_was_ahead_is_refreshed_by_the_next_daemon() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    // The clock is corrected while no daemon runs: nobody's boot-time clock knows how old the token is.
    life.kill();
    world.clock.set_back(24 * HOUR);
    assert!(world.left("lab") > 24 * HOUR, "its entry claims more than the hour it was given");
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 2);
    assert!(world.left("lab") <= HOUR);
    drop(life);
}
