//! Answers that say less than usual, or something else: what they mean for the pair, for the next refresh, and for the one after a lost answer.

use crate::world::{Answering, HOUR, Life, MINUTE, SECOND, World, key};
use claude_store::FileSystem;
use refresh_engine::{Event, Need, Outcome, State};
use std::time::Duration;

const LOCK: &str = "/home/u/.claude/mcp-refresh-lab_6f671eeac57e3e15.lock.lock";
const STORAGE_LOCK: &str = "/home/u/.claude/.storage-write.lock";

async fn asked_by_force(life: &Life) {
    let keeper = life.keeper.clone();
    life.run(async move { keeper.refresh(&["lab".to_owned()], true).await }).await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_access_token_with_a_new_refresh_token_is_a_new_pair() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let repeated =
        r#"{"access_token":"at_lab_1_made_up","refresh_token":"rt_lab_new_made_up","expires_in":3600}"#;
    world.server.next([Answering::Status(200, repeated)]);
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert_eq!(world.stored_refresh("lab"), "rt_lab_new_made_up");
    assert!(world.left("lab") > 50 * MINUTE);
    assert_eq!(
        world.log.count(|event| matches!(event, Event::Healed { .. })),
        0,
        "{:#?}",
        world.log.events()
    );
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_access_token_with_extended_lifetime_gets_its_new_expiry() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    world.server.next([Answering::Status(200, r#"{"access_token":"at_lab_1_made_up","expires_in":3600}"#)]);
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert!(world.left("lab") > 50 * MINUTE);
    assert_eq!(world.stored_refresh("lab"), "rt_lab_1_made_up");
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn tokens_of_minutes_that_only_claim_their_own_expiry_are_short_lived() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::Claims(5 * MINUTE)));
    let life = world.live().await;
    life.pass(HOUR).await;
    assert!((2..=3).contains(&world.server.requests()), "{} in an hour", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn refresh_tokens_of_seconds_do_not_cause_a_refresh_loop() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.refresh_expires_in.set(Some(1));
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert!((5..=7).contains(&world.server.requests()), "{} in a minute", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn a_login_right_after_a_refresh_is_not_delayed() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
    world.put_members(&[format!("{:?}:{}", key("lab"), world.entry("lab", 6 * MINUTE))]);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn i1_a_lost_answer_is_remembered_if_the_retry_finds_no_network() {
    for then in [Answering::Unreachable, Answering::Busy("1"), Answering::Status(403, "no")] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        let no_network = matches!(then, Answering::Unreachable);
        let retries = if no_network { 3 } else { 1 };
        world.server.next([Answering::Properly, Answering::LostAfterRotation]);
        world.server.next(vec![then.clone(); retries]);
        let life = world.live().await;
        life.pass(46 * MINUTE).await;
        let last = if no_network { Outcome::Unsent } else { Outcome::Ambiguous };
        assert_eq!(life.entry("lab").last.unwrap().outcome, last, "{then:?}");
        let presented = world.server.requests();
        life.pass(6 * MINUTE).await;
        assert_eq!(world.server.requests(), presented, "{then:?}");
        // The access token is good until then; only now the refresh token is tried once more.
        life.pass(2 * MINUTE).await;
        assert_eq!(world.server.requests(), presented + 1, "{then:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i1_a_lost_answer_is_remembered_if_the_lock_is_lost_before_the_retry() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.next([Answering::LostAfterRotation]);
    let life = world.live().await;
    life.pass(SECOND).await;
    let lock_goes = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.disk.remove_folder(LOCK.as_ref()).unwrap();
    };
    tokio::join!(asked_by_force(&life), lock_goes);
    life.pass(20 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(life.entry("lab").last.unwrap().outcome, Outcome::Ambiguous);
}

#[tokio::test(start_paused = true)]
async fn i1_a_dead_token_is_not_tried_when_a_client_wipes_its_entry() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.revoke("lab");
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    world.put_members(&[format!(
        r#"{:?}:{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","expiresAt":0}}"#,
        key("lab")
    )]);
    life.notice().await;
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(life.entry("lab").need, Some(Need::Stub));
}

#[tokio::test(start_paused = true)]
async fn i1_a_replay_waits_for_a_readable_store() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    world.server.next([Answering::TimesOut]);
    world.server.grace.set(HOUR);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    life.kill();
    assert_eq!(world.server.requests(), 1);
    let whole = world.text();
    world.put_text("{ half of it");
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 1));
    world.put_text(&whole);
    life.notice().await;
    life.pass(30 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!((world.server.requests(), life.report().journal_open), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pair_obtained_after_everything_vanished_is_restored() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", HOUR)]);
    world.server.next([Answering::Slowly(5 * SECOND)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    world.put_members(&[]);
    life.notice().await;
    life.pass(10 * SECOND).await;
    let keeper = life.keeper.clone();
    assert_eq!(life.run(async move { keeper.restore_vanished().await }).await, ["lab", "other"]);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!((world.server.requests(), world.server.reuses.get()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn i1_an_entry_that_returns_with_the_presented_token_gets_the_new_pair() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", HOUR)]);
    let whole = world.text();
    world.server.next([Answering::Slowly(5 * SECOND)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    let other = world.raw("other", &whole);
    world.put_members(&[format!("{:?}:{other}", key("other"))]);
    life.notice().await;
    world.put_text(&whole);
    life.notice().await;
    life.pass(HOUR).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
    assert_eq!(world.server.reuses.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_pair_is_written_however_often_the_store_refuses() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world
        .server
        .next([Answering::Slowly(5 * SECOND), Answering::Status(400, r#"{"error":"invalid_grant"}"#)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    // A login lands while our request is on its way, and proves dead; meanwhile a client's lock is in the way for minutes.
    let entry = world.entry("lab", 3 * MINUTE).replace("cl_lab", "cl_lab_anew");
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.disk.put_folder(STORAGE_LOCK);
    life.notice().await;
    for _ in 0..60 {
        world.disk.touch(STORAGE_LOCK.as_ref()).unwrap();
        life.pass(5 * SECOND).await;
    }
    assert_eq!(life.report().journal_open, 1, "{:#?}", world.log.events());
    world.disk.remove_folder(STORAGE_LOCK.as_ref()).unwrap();
    life.pass(2 * MINUTE).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
    assert_eq!(life.report().journal_open, 0);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_login_with_another_authorization_server_the_old_one_gets_nothing() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(MINUTE).await;
    let entry = world.entry("lab", HOUR);
    let entry = entry.replace("cl_lab", "cl_lab_anew").replace("https://lab.test\"", "https://moved.test\"");
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    life.notice().await;
    asked_by_force(&life).await;
    let requests = world.server.requests.borrow();
    let places: Vec<_> = requests.iter().map(|request| request.token_endpoint.as_str()).collect();
    assert_eq!(places, ["https://lab.test/token", "https://moved.test/token"]);
}

#[tokio::test(start_paused = true)]
async fn metadata_dated_in_the_future_is_looked_up_again_only_once() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.clock.suspend(365 * 24 * HOUR);
    asked_by_force(&life).await;
    world.clock.set_back(365 * 24 * HOUR);
    for _ in 0..5 {
        asked_by_force(&life).await;
        life.pass(MINUTE).await;
    }
    assert_eq!(world.server.discoveries.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wiped_entry_is_healed_only_at_its_own_authorization_server() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    asked_by_force(&life).await;
    world.server.token_origin.replace(Some("https://elsewhere.test".into()));
    // The metadata of the day before is looked up anew.
    life.pass(24 * HOUR).await;
    let before = world.server.requests();
    world.put_members(&[format!(
        r#"{:?}:{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","expiresAt":0,"discoveryState":{{"authorizationServerUrl":"https://lab.test"}}}}"#,
        key("lab")
    )]);
    life.notice().await;
    life.pass(10 * SECOND).await;
    let requests = world.server.requests.borrow();
    assert!(requests.iter().all(|request| request.token_endpoint.as_str() == "https://lab.test/token"));
    assert_eq!(requests.len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_lost_update_without_an_access_token_is_not_urgent() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let spent = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    let (_, refresh) = world.server.grant("lab");
    world.put_members(&[format!(
        r#"{:?}:{{"serverName":"lab","serverUrl":"https://lab.test/mcp","refreshToken":"{refresh}","expiresAt":{}}}"#,
        key("lab"),
        world.now().as_millisecond() + 3_600_000
    )]);
    life.notice().await;
    world.put_text(&spent);
    life.keeper.store_changed();
    life.disk.forget_calls();
    life.pass(10 * MINUTE).await;
    assert!(life.disk.calls().len() < 500, "{} calls", life.disk.calls().len());
    assert_eq!(world.server.reuses.get(), 0);
}
