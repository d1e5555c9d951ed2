//! A few refreshes with a fault in each; more of them are a step of `.ci/run`, and millions a part of `.ci/nightly`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use simulator::{Outcomes, examine};

fn many(seed: u64, numbers: std::ops::Range<u64>) -> (Outcomes, Vec<String>) {
    let mut outcomes = Outcomes::default();
    let failures = numbers.flat_map(|number| examine(seed, number, false, &mut outcomes)).collect();
    (outcomes, failures)
}

#[test]
fn no_fault_in_a_refresh_costs_a_grant_that_could_have_been_kept() {
    let (outcomes, failures) = many(1, 0..500);
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(outcomes.transactions(), 500, "a fault was injected into each of them");
}

#[test]
fn a_transaction_is_the_same_whatever_was_lived_before_it() {
    let (together, _) = many(2, 0..60);
    let mut singly = Outcomes::default();
    for number in (0..60).rev() {
        singly.add(&many(2, number..number + 1).0);
    }
    assert_eq!(together, singly);
}
