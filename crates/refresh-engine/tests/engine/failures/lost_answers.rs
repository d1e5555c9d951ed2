//! Answers lost on the wire, when the token may be spent.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_lost_answer_without_grace_period_costs_one_login_at_most() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", HOUR)]);
    world.server.next([Answering::LostAfterRotation]);
    let life = world.live().await;
    life.pass(24 * HOUR).await;
    assert_eq!(life.entry("lab").need, Some(Need::Dead { code: "invalid_grant".into() }));
    assert_eq!(life.entry("other").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_within_the_grace_period_costs_nothing() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.grace.set(10 * SECOND);
    world.server.next([Answering::LostAfterRotation]);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_lost_answers_within_the_grace_period_cost_nothing() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.grace.set(10 * SECOND);
    world.server.next([Answering::LostAfterRotation, Answering::LostAfterRotation]);
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!((world.server.requests(), world.server.reuses.get()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn answers_lost_for_most_of_a_short_grace_period_cost_nothing() {
    let bad_gateway = Answering::RefusedAfterRotation(502, "bad gateway");
    // A connection that breaks, a proxy that gives up, a network that goes with the connection, a server that starts again.
    for then in [Answering::LostBefore, bad_gateway, Answering::Unreachable, Answering::Status(503, "busy")] {
        for (lost, grace) in [(2, 10 * SECOND), (3, 30 * SECOND)] {
            let world = World::with_entries(&[("lab", Duration::ZERO)]);
            world.server.grace.set(grace);
            let first = Answering::RefusedAfterRotation(502, "bad gateway");
            world.server.next(std::iter::once(first).chain(vec![then.clone(); lost - 1]));
            let life = world.live().await;
            life.pass(grace).await;
            assert_eq!(life.entry("lab").state, State::Fresh, "{then:?} {grace:?}");
            assert_eq!(world.server.reuses.get(), 0, "{then:?} {grace:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_lost_answer_is_requested_again_within_the_longest_grace_period() {
    let world = World::with_entries(&[("lab", 24 * HOUR)]);
    world.server.grace.set(30 * MINUTE);
    world.server.next(vec![Answering::LostAfterRotation; 5]);
    let life = world.live().await;
    life.run(life.keeper.first_scan()).await;
    let asked = life.keeper.clone();
    life.run(async move { asked.refresh(&["lab".to_owned()], true).await }).await;
    life.pass(20 * MINUTE).await;
    assert_eq!(world.server.requests(), 5, "held still");
    life.pass(8 * MINUTE).await;
    assert_eq!((world.server.requests(), world.server.reuses.get()), (6, 0));
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_failing_gets_no_hasty_retries() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::Status(502, "bad gateway")));
    let life = world.live().await;
    life.pass(30 * SECOND).await;
    assert_eq!(
        world.server.requests(),
        5,
        "two early retries, one within the next grace with one of its own"
    );
    life.pass(HOUR).await;
    // One early retry each, and pauses that grow to 5 min.
    assert!((20..=40).contains(&world.server.requests()), "{}", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn i1_repeatedly_lost_answers_cause_only_a_few_early_retries() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.always.replace(Some(Answering::LostBefore));
    let life = world.live().await;
    life.pass(52 * MINUTE).await;
    assert_eq!(world.server.requests(), 5, "the first attempt and its early retries, then still");
    life.pass(6 * MINUTE).await;
    assert!(world.server.requests() <= 5 + 2 * 4, "{}", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_of_a_possibly_spent_token_only_says_when_to_retry() {
    let refused = Answering::Status(400, r#"{"error":"invalid_target"}"#);
    for (answer, requests, still_held) in
        [(Answering::LostBefore, 3, 18 * SECOND), (refused, 1, 2 * HOUR - 5 * MINUTE)]
    {
        let world = World::with_entries(&[("lab", 2 * HOUR)]);
        world.server.always.replace(Some(answer.clone()));
        let life = world.live().await;
        let lab = ["lab".to_owned()];
        let first = life.run(life.keeper.refresh(&lab, true)).await;
        assert!(matches!(first[0].how, RefreshedHow::Ended { .. }), "{first:?}");
        assert_eq!(world.server.requests(), requests, "{answer:?}");
        world.server.always.replace(None);
        for force in [true, false, true] {
            let ends = life.run(life.keeper.refresh(&lab, force)).await;
            match &ends[0].how {
                RefreshedHow::Held(Held { why, wait }) if force => {
                    assert!(!why.is_empty());
                    assert!(
                        (still_held.saturating_sub(MINUTE)..=still_held).contains(wait),
                        "{answer:?}: {wait:?}"
                    );
                }
                how => assert!(!force && *how == RefreshedHow::NotNeeded, "{answer:?}: {how:?}"),
            }
        }
        assert_eq!(world.server.requests(), requests, "{answer:?}");
        // A restart knows it, too.
        life.kill();
        let life = world.live().await;
        life.pass(SECOND).await;
        let ends = life.run(life.keeper.refresh(&lab, true)).await;
        assert!(matches!(ends[0].how, RefreshedHow::Held(_)), "{answer:?}: {ends:?}");
        assert_eq!(world.server.requests(), requests, "{answer:?}");
        life.pass(still_held + 10 * SECOND).await;
        assert_eq!(world.server.requests(), requests + 1, "{answer:?}");
        assert_eq!(life.entry("lab").state, State::Fresh, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_is_made_once_the_access_token_has_expired() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::LostBefore));
    let life = world.live().await;
    life.pass(20 * SECOND).await;
    assert_eq!(life.entry("lab").last.unwrap().outcome, Outcome::Ambiguous);
    world.server.always.replace(None);
    let ends = life.run(life.keeper.refresh(&["lab".into()], true)).await;
    assert_eq!(ends[0].how, RefreshedHow::Fresh);
}
