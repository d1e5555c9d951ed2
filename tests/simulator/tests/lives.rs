//! A few short lives; longer ones are a step of `.ci/run`, and hundreds a part of `.ci/nightly`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use simulator::{Account, Freshness, Life, live};

fn life(seed: u64, servers: usize, with_daemon: bool) -> Account {
    lived(seed, servers, with_daemon, false)
}

fn lived(seed: u64, servers: usize, with_daemon: bool, own: bool) -> Account {
    live(Life {
        seed,
        servers,
        years: 1,
        fresh: Freshness::WhenUsed,
        with_daemon,
        own,
        verbose: false,
        end_at_failure: false,
    })
}

/// A year with sessions, storms, power cuts and idle weeks that costs little.
const SEED: u64 = 6;

#[test]
fn no_log_in_is_needed_that_a_program_could_have_spared() {
    let (with, without) = (life(SEED, 10, true), life(SEED, 10, false));
    assert_eq!(with.failures, Vec::<String>::new());
    assert_eq!(with.tally.avoidable, 0);
    assert_eq!(with.tally.expired_reads_in_calm, 0);
    assert!(with.tally.logins <= without.tally.logins);
    assert!(without.tally.avoidable > 0, "a life in which nothing can go wrong proves nothing");
}

#[test]
fn the_same_seed_is_the_same_life_and_both_lives_have_the_same_fate() {
    let (with, without) = (life(SEED, 2, true), life(SEED, 2, false));
    assert_eq!(with, life(SEED, 2, true));
    assert_eq!(with.awake_hours, without.awake_hours);
    assert_eq!(with.machine_faults, without.machine_faults);
    assert!(with.transactions > 0 && without.transactions == 0);
}

#[test]
fn clients_lose_no_login_that_is_in_the_vault() {
    for seed in [SEED, 1] {
        let own = lived(seed, 2, true, true);
        assert_eq!(own.failures, Vec::<String>::new());
        assert_eq!((own.tally.client_requests, own.tally.avoidable), (0, 0));
        assert!(own.tally.causes.keys().all(|cause| !cause.contains("client")), "{:?}", own.tally.causes);
        assert!(own.transactions > 0 && own.tally.uses > 0);
    }
}
