//! What the engine does when something goes wrong: back-off, suspects, locks, stores that cannot be written.

mod lost_answers;

use crate::world::{Answering, HOUR, MINUTE, SECOND, World, key};
use claude_store::FileSystem;
use refresh_engine::{Event, Held, Hindrance, Need, Outcome, RefreshedHow, State};
use std::path::Path;
use std::time::Duration;

const LOCK: &str = "/home/u/.claude/mcp-refresh-lab_6f671eeac57e3e15.lock.lock";

#[tokio::test(start_paused = true)]
async fn an_outage_has_growing_pauses_that_survive_a_restart() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::Status(503, "busy")));
    let life = world.live().await;
    life.pass(HOUR).await;
    let during = world.server.requests();
    assert!((15..=60).contains(&during), "{during} requests in an hour of outage");
    assert_eq!(life.entry("lab").last.unwrap().outcome, Outcome::Transient);
    for _ in 0..20 {
        life.pass(Duration::from_millis(1)).await;
    }
    let mut life = life;
    let before = world.server.requests();
    for _ in 0..10 {
        life.kill();
        life = world.live().await;
        life.pass(SECOND).await;
    }
    assert!(world.server.requests() <= before + 2, "a restart is no reason to ask again");
    world.server.always.replace(None);
    life.pass(6 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Busy("600")]);
    let life = world.live().await;
    life.pass(599 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    life.pass(3 * SECOND).await;
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_day_without_network_the_entry_is_fresh_within_five_minutes() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::Unreachable));
    let life = world.live().await;
    life.pass(24 * HOUR).await;
    world.server.always.replace(None);
    life.pass(5 * MINUTE + SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn when_the_network_comes_back_the_entry_is_fresh_within_a_minute() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::Unreachable));
    let life = world.live().await;
    life.pass(20 * MINUTE).await;
    world.server.always.replace(None);
    life.pass(61 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn hours_without_network_do_not_lengthen_the_pauses_for_a_busy_server() {
    let names: Vec<String> = (0..10).map(|number| format!("lab{number}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Duration::ZERO)).collect();
    let world = World::with_entries(&entries);
    world.server.always.replace(Some(Answering::Unreachable));
    let life = world.live().await;
    life.pass(5 * HOUR).await;
    world.server.always.replace(Some(Answering::Status(503, "busy")));
    life.pass(20 * MINUTE).await;
    world.server.always.replace(None);
    life.pass(5 * MINUTE + SECOND).await;
    for name in &names {
        assert_eq!(life.entry(name).state, State::Fresh, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_back_after_hours_is_asked_within_fifteen_minutes() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::LostBefore));
    let life = world.live().await;
    life.pass(100 * MINUTE).await;
    world.server.always.replace(None);
    life.pass(5 * MINUTE + 2 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh, "after less than two hours");
    world.server.always.replace(Some(Answering::LostBefore));
    life.pass(24 * HOUR).await;
    assert_eq!(life.entry("lab").last.unwrap().outcome, Outcome::Ambiguous);
    world.server.always.replace(None);
    life.pass(15 * MINUTE + 2 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_an_early_refresh_is_not_believed_before_six_minutes_are_left() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.next([Answering::Status(400, r#"{"error":"invalid_grant"}"#)]);
    let life = world.live().await;
    life.pass(53 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(life.entry("lab").state, State::Refused);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
    life.pass(90 * SECOND).await;
    assert_eq!(world.server.requests(), 2);
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_invalid_grant_is_tried_three_times() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.always.replace(Some(Answering::Status(400, r#"{"error":"invalid_request"}"#)));
    let life = world.live().await;
    life.pass(24 * HOUR).await;
    assert_eq!(world.server.requests(), 3);
    assert_eq!(life.entry("lab").need, Some(Need::Refused { code: "invalid_request".into() }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_resource_no_longer_gets_it() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Status(400, r#"{"error":"invalid_target"}"#)]);
    let life = world.live().await;
    life.pass(2 * HOUR).await;
    let requests = world.server.requests.borrow();
    let shapes: Vec<bool> = requests.iter().map(|request| request.shape.resource).collect();
    assert!(shapes.len() > 2 && shapes[0] && shapes[1..].iter().all(|resource| !resource), "{shapes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_moves_to_another_origin_gets_no_token() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.server.token_origin.replace(Some("https://evil.test".into()));
    life.pass(3 * 24 * HOUR).await;
    let requests = world.server.requests.borrow();
    assert!(requests.iter().all(|request| request.token_endpoint.host_str() == Some("lab.test")));
    assert!(matches!(life.entry("lab").need, Some(Need::EndpointMoved { .. })), "{:?}", life.entry("lab"));
}

#[tokio::test(start_paused = true)]
async fn a_pair_refreshed_by_a_client_is_adopted() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let client = world.disk.process();
    client.create_folder(Path::new(LOCK), 0o755).unwrap();
    let life = world.live().await;
    for _ in 0..4 {
        life.pass(2 * SECOND).await;
        client.touch(Path::new(LOCK)).unwrap();
    }
    life.pass(4 * SECOND).await;
    client.touch(Path::new(LOCK)).unwrap();
    assert_eq!(world.server.requests(), 0);
    assert_eq!(life.entry("lab").obstacle.unwrap().what, Hindrance::Locked);
    let (access, refresh) = world.server.refresh_as_client(&world.stored_refresh("lab")).unwrap();
    world.put_members(&[format!("{:?}:{}", key("lab"), world.entry_with("lab", &access, &refresh, HOUR))]);
    client.remove_folder(Path::new(LOCK)).unwrap();
    life.notice().await;
    life.pass(30 * SECOND).await;
    assert_eq!(world.server.requests(), 0);
    assert_eq!((life.entry("lab").state, life.entry("lab").obstacle), (State::Fresh, None));
    assert_eq!(world.server.reuses.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_answer_is_ignored_if_a_client_was_faster() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    // The client's own 401 path takes no lock; its pair lands two seconds after our request was refused.
    let refresh = world.stored_refresh("lab");
    world.server.next([Answering::Status(400, r#"{"error":"invalid_grant"}"#)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    let (access, successor) = world.server.refresh_as_client(&refresh).unwrap();
    world.put_members(&[format!("{:?}:{}", key("lab"), world.entry_with("lab", &access, &successor, HOUR))]);
    life.notice().await;
    life.pass(10 * SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_in_the_place_of_a_lock_stops_only_this_entry() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", Duration::ZERO)]);
    world.disk.put(LOCK, "");
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert_eq!(life.entry("other").state, State::Fresh);
    assert_eq!(life.entry("lab").state, State::Expired);
    let told =
        |event: &Event| matches!(event, Event::NotLockable { why } if why.replace('\\', "/").contains(LOCK));
    assert!(world.log.events().iter().any(told));
    let obstacle = life.entry("lab").obstacle.unwrap();
    assert!(matches!(&obstacle.what, Hindrance::NotLockable(why) if !why.contains(".lock")), "{obstacle:?}");
    assert_eq!(life.entry("other").obstacle, None);
    assert!(world.disk.exists(LOCK), "nothing of others is taken away");
}

#[tokio::test(start_paused = true)]
async fn a_lock_dated_in_the_future_is_taken_over_after_watching_it() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.disk.put_folder(LOCK);
    world.disk.date(LOCK, world.disk.now() + 24 * HOUR);
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 0);
    life.pass(MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert!(!world.disk.exists(LOCK));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_store_is_reported_once_and_nothing_is_forgotten() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let whole = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    for bad in ["", "{\"mcpOAuth\":{\"lab", "[]", "{\"mcpOAuth\":[]}", "\u{0}\u{0}"] {
        world.put_text(bad);
        life.notice().await;
        life.pass(10 * MINUTE).await;
        assert!(life.report().unreadable.is_some(), "{bad:?}");
        assert_eq!(life.report().entries.len(), 1, "remembered");
        world.put_text(&whole);
        life.notice().await;
        life.pass(SECOND).await;
        assert!(life.report().unreadable.is_none());
    }
    assert_eq!(world.log.count(|event| matches!(event, Event::Removed)), 0);
    assert_eq!(world.log.count(|event| matches!(event, Event::StoreUnreadable { .. })), 5);
    assert_eq!(world.server.requests(), 1, "due in between, and refreshed while it could be read");
}

#[tokio::test(start_paused = true)]
async fn a_missing_store_and_its_appearance_are_reported_once() {
    let world = World::new();
    let life = world.live().await;
    for _ in 0..5 {
        life.notice().await;
    }
    let told = |absent| {
        world.log.count(|event| matches!(event, Event::StoreUnreadable { absent: now, .. } if *now == absent))
    };
    assert_eq!((told(true), told(false)), (1, 0));
    assert!(life.report().absent);
    world.put_members(&[format!("{:?}:{}", key("lab"), world.entry("lab", Duration::ZERO))]);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.log.count(|event| matches!(event, Event::StoreReadable)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_document_half_written_by_an_old_client_is_read_again() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(2 * SECOND)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    let whole = world.text();
    world.put_text(&whole[..100]);
    life.pass(Duration::from_millis(500)).await;
    world.put_text(&whole);
    life.pass(3 * SECOND).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(world.log.count(|event| matches!(event, Event::Unsaved { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_entry_is_reported_and_the_others_are_kept() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let lab = world.entry("lab", Duration::ZERO);
    world.put_members(&[
        format!("{:?}:{lab}", key("lab")),
        r#""odd|00":{"serverName":7,"accessToken":["a"]}"#.to_owned(),
        r#""twice|00":{"accessToken":"a","accessToken":"b"}"#.to_owned(),
    ]);
    let odd =
        r#""odd|00":{"serverName":7,"accessToken":["a"]},"twice|00":{"accessToken":"a","accessToken":"b"}"#;
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(life.report().odd.len(), 2, "{:?}", life.report().odd);
    assert!(world.text().contains(odd));
}
