//! I1 to I6, each by name.

use crate::world::{Answering, HOUR, Life, MINUTE, SECOND, World};
use refresh_engine::{Event, Outcome, Policy, ServerPolicy, State};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_fresh_within_a_second() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert!(world.left("lab") > 59 * MINUTE, "{:?}", world.left("lab"));
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn for_ten_days_every_entry_stays_above_the_clients_window() {
    let world = World::with_entries(&[("hourly", HOUR), ("daily", 20 * HOUR), ("new", 6 * MINUTE)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    for _ in 0..10 * 24 * 12 {
        life.pass(5 * MINUTE).await;
        for name in ["hourly", "daily", "new"] {
            assert!(world.left(name) > 300 * SECOND, "{name}: {:?}", world.left(name));
        }
    }
    assert_eq!(world.server.reuses.get(), 0);
    // 45 to 43.5 minutes between two refreshes of a token that lives an hour.
    let bound = 3 * 10 * 24 * 60 / 43;
    assert!(world.server.requests() < bound, "{} requests", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn i1_a_token_called_dead_is_rechecked_after_one_and_ten_minutes_and_then_never_presented() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.revoke("lab");
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 2);
    life.pass(9 * MINUTE).await;
    assert_eq!(world.server.requests(), 2);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0, "not told before");
    life.pass(48 * HOUR).await;
    assert_eq!(world.server.requests(), 3);
    assert_eq!(life.entry("lab").state, State::NeedsPerson);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 1, "told once");
    // Not after a restart either.
    life.kill();
    let life = world.live().await;
    life.pass(48 * HOUR).await;
    assert_eq!(world.server.requests(), 3);
    // A login clears it by itself.
    let members = [format!("{:?}:{}", crate::world::key("lab"), world.entry("lab", MINUTE))];
    world.put_members(&members);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn i1_a_lost_connection_is_retried_once_within_two_seconds() {
    let world = World::with_entries(&[("lab", 10 * MINUTE)]);
    world.server.next([Answering::LostBefore, Answering::LostBefore]);
    let life = world.live().await;
    life.pass(2 * MINUTE + 50 * SECOND).await;
    // 10 minutes left is outside of the margin of an entry of unknown life; at about 7.5 it is due.
    life.pass(MINUTE).await;
    let times: Vec<_> = world.server.presented.borrow().iter().map(|(_, at)| *at).collect();
    assert!(times.len() >= 2, "{times:?}");
    assert!(times[1].duration_since(times[0]).unwrap() < 2 * SECOND);
    assert_eq!(
        life.entry("lab").state,
        State::Fresh,
        "at 7 minutes left it is tried once more, and that works"
    );
    assert_eq!(times.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i1_after_two_timeouts_nothing_is_sent_before_seven_minutes_are_left() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.grace.set(24 * HOUR);
    world.server.next([Answering::TimesOut, Answering::TimesOut]);
    let life = world.live().await;
    let margin_begins = 45 * MINUTE;
    life.pass(margin_begins + MINUTE).await;
    assert_eq!(world.server.requests(), 2, "once more at once, while a grace may last");
    life.pass(6 * MINUTE).await;
    assert_eq!(world.server.requests(), 2, "held still");
    assert_eq!(life.entry("lab").last.unwrap().outcome, Outcome::Ambiguous);
    life.pass(2 * MINUTE).await;
    assert_eq!(world.server.requests(), 3);
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn after_a_late_or_failed_answer_a_retry_within_the_grace_period_gets_the_pair() {
    let inside = r#"{"error":"server_error"}"#;
    for (answering, grace) in
        [(Answering::TimesOut, 40 * SECOND), (Answering::RefusedAfterRotation(500, inside), 10 * SECOND)]
    {
        let world = World::with_entries(&[("lab", 10 * MINUTE)]);
        world.server.grace.set(grace);
        world.server.next([answering]);
        let life = world.live().await;
        life.pass(5 * MINUTE).await;
        assert_eq!(life.entry("lab").state, State::Fresh);
        assert_eq!((world.server.requests(), world.server.reuses.get()), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn i4_after_1000_refreshes_every_other_byte_is_the_same() {
    let mut world = World::with_entries(&[("lab", HOUR), ("other", HOUR)]);
    world.policy.servers.insert("other".into(), ServerPolicy { ignore: true, ..ServerPolicy::default() });
    // The whole document, with the entry's own token members taken out.
    let rest = |world: &World| {
        let member = |name| world.stored("lab", name);
        let text = |name| member(name).as_str().unwrap().to_owned();
        world.text().replacen(&text("accessToken"), "", 1).replacen(&text("refreshToken"), "", 1).replacen(
            &member("expiresAt").to_string(),
            "",
            1,
        )
    };
    let before = rest(&world);
    let life = world.live().await;
    for _ in 0..1000 {
        life.pass(46 * MINUTE).await;
    }
    assert!(world.server.requests() >= 1000, "{}", world.server.requests());
    assert_eq!(rest(&world), before);
    assert!(before.contains(r#""claudeAiOauth":{"accessToken":"sk-made-up","expiresAt":1e400}"#));
}

async fn removed_during_the_request(then: impl Fn(&World)) -> (World, Life) {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", HOUR)]);
    world.server.next([Answering::Slowly(5 * SECOND)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    world.put_members(&[format!("{:?}:{}", crate::world::key("other"), world.entry("other", HOUR))]);
    life.notice().await;
    then(&world);
    life.notice().await;
    life.pass(MINUTE).await;
    (world, life)
}

#[tokio::test(start_paused = true)]
async fn i5_an_entry_removed_during_the_refresh_stays_removed() {
    let (world, life) = removed_during_the_request(|_| {}).await;
    assert!(world.stored("lab", "refreshToken").is_null());
    assert!(life.report().entries.iter().all(|entry| entry.name != "lab"));
    life.pass(24 * HOUR).await;
    assert!(!world.text().contains("\"lab|"));
}

#[tokio::test(start_paused = true)]
async fn i5_the_stub_that_the_client_writes_after_a_logout_is_not_healed() {
    for stub in [
        r#"{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":""}"#,
        r#"{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","expiresAt":0}"#,
    ] {
        let (world, life) = removed_during_the_request(|world| {
            world.put_members(&[format!("{:?}:{stub}", crate::world::key("lab"))]);
        })
        .await;
        life.pass(HOUR).await;
        assert!(world.text().contains(stub), "{}", world.text());
        assert_eq!(world.server.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn i6_neither_a_drain_nor_a_new_policy_cuts_a_transaction() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(9 * SECOND)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(life.keeper.running(), 1);
    life.keeper.set_policy(Policy::default());
    life.run(life.keeper.drain()).await;
    assert!(world.left("lab") > 59 * MINUTE);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(life.report().journal_open, 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_starts_nothing_new() {
    let world = World::with_entries(&[("lab", 8 * MINUTE)]);
    let life = world.live().await;
    life.run(life.keeper.drain()).await;
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 0);
}
