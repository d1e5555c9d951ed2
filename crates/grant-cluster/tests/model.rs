//! Five members, an etcd and a token server in virtual time, with everything that can go wrong between them, many times over.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test"
)]

mod model_parts;

use model_parts::{Fleet, Plan};

fn run(seed: u64, plan: Plan) -> model_parts::Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, Fleet::run(seed, plan))
}

#[test]
fn without_faults_every_refresh_is_seen_by_all_and_none_is_lost() {
    let outcome = run(1, Plan { faults: 0, lost_answers: 0.0, ..Plan::default() });
    outcome.check();
    assert_eq!(outcome.lost, 0);
    assert!(outcome.refreshes > 300, "{outcome:?}");
}

#[test]
fn no_token_is_presented_twice_whatever_dies_pauses_or_is_cut_off() {
    let (mut refreshes, mut lost, mut faults) = (0, 0, 0);
    // More of them: MODEL_LIVES=1000 cargo test --release -p grant-cluster --test model
    let lives = std::env::var("MODEL_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(20_u64);
    for seed in 0..lives {
        let outcome = run(seed, Plan::default());
        outcome.check();
        refreshes += outcome.refreshes;
        lost += outcome.lost;
        faults += outcome.faults;
    }
    // Else it tried nothing.
    println!("{lives} lives: {refreshes} refreshes, {faults} faults, {lost} grants lost with their answers");
    assert!(
        refreshes > 200 * usize::try_from(lives).unwrap() && lost > usize::try_from(lives).unwrap() / 2,
        "{refreshes} {faults} {lost}"
    );
}
