//! Other programs break entries; what can be mended is, and nothing else.

use crate::world::{Answering, HOUR, MINUTE, SECOND, World, key};
use refresh_engine::{Event, Need, State};
use std::time::Duration;

fn wiped(world: &World) {
    // What the client leaves after a failed refresh (measured): expiresAt 0, clientId gone after invalid_client.
    world.put_members(&[format!(
        r#"{:?}:{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","expiresAt":0,"discoveryState":{{"authorizationServerUrl":"https://lab.test"}}}}"#,
        key("lab")
    )]);
}

#[tokio::test(start_paused = true)]
async fn a_wipe_is_healed_with_everything_it_took() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    wiped(&world);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(world.stored("lab", "clientId"), "cl_lab");
    assert_eq!(world.stored("lab", "issuer"), "https://lab.test");
    assert_eq!(world.stored("lab", "scope"), "mcp");
    assert_eq!(world.log.count(|event| matches!(event, Event::Healed { .. })), 1);
    assert_eq!(world.server.reuses.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn healing_a_really_dead_grant_is_tried_once() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.server.revoke("lab");
    wiped(&world);
    let stub = world.text();
    life.notice().await;
    life.pass(24 * HOUR).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(world.text(), stub, "nothing is blanked and nothing invented");
    assert_eq!(life.entry("lab").need, Some(Need::Stub));
}

#[tokio::test(start_paused = true)]
async fn a_wipe_during_our_own_refresh_is_healed_by_its_answer() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(5 * SECOND)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    wiped(&world);
    life.notice().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(world.stored("lab", "clientId"), "cl_lab");
}

#[tokio::test(start_paused = true)]
async fn a_lost_update_is_healed_without_a_request() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let old = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
    let good = world.stored_refresh("lab");
    // An old client writes the whole document as it read it before.
    world.put_text(&old);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(world.stored_refresh("lab"), good);
    assert!(world.left("lab") > 59 * MINUTE);
    assert_eq!(world.server.requests(), 1);
    assert_eq!(life.entry("lab").state, State::Fresh);
}

/// A client refreshes `lab` and writes what it got.
pub(crate) fn refreshed_by_a_client(world: &World, left: Duration) {
    let (access, refresh) = world.server.refresh_as_client(&world.stored_refresh("lab")).unwrap();
    world.put_members(&[format!("{:?}:{}", key("lab"), world.entry_with("lab", &access, &refresh, left))]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_update_over_a_clients_own_refresh_is_healed() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let old = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    refreshed_by_a_client(&world, HOUR);
    life.notice().await;
    let good = world.stored_refresh("lab");
    world.put_text(&old);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(world.stored_refresh("lab"), good);
    assert!(world.server.is_good(&good));
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_refresh_token_from_a_new_login_is_not_a_lost_update() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let first = world.stored_refresh("lab");
    let life = world.live().await;
    life.pass(SECOND).await;
    refreshed_by_a_client(&world, HOUR);
    life.notice().await;
    let again = world.entry_with("lab", "at_of_a_new_login_made_up", &first, HOUR);
    world.put_members(&[format!("{:?}:{again}", key("lab"))]);
    let text = world.text();
    life.notice().await;
    life.pass(MINUTE).await;
    assert_eq!(world.text(), text);
}

#[tokio::test(start_paused = true)]
async fn a_token_known_to_be_spent_is_never_presented_even_after_a_restart() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let old = world.text();
    let life = world.live().await;
    life.pass(SECOND * 5).await;
    life.kill();
    // Whoever does this while the agent is away takes the pair from its memory too.
    world.put_text(&old);
    let life = world.live().await;
    life.pass(24 * HOUR).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(life.entry("lab").need, Some(Need::Spent));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_loses_all_entries_at_once_is_reported_and_not_written() {
    let world = World::with_entries(&[("a", HOUR), ("b", HOUR), ("c", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.put_members(&[]);
    let empty = world.text();
    life.notice().await;
    life.pass(2 * HOUR).await;
    assert_eq!(world.text(), empty);
    assert_eq!(world.server.requests(), 0);
    assert_eq!(life.report().vanished.len(), 3);
    let reported =
        world.log.count(|event| matches!(event, Event::VanishedTogether { servers } if servers.len() == 3));
    assert_eq!(reported, 1);
    life.pass(25 * HOUR).await;
    assert!(life.report().vanished.is_empty(), "kept for a day");
}

#[tokio::test(start_paused = true)]
async fn vanished_entries_are_restored_on_request_unless_they_exist_again() {
    let world = World::with_entries(&[("a", HOUR), ("b", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    let old = world.stored_refresh("a");
    world.put_members(&[]);
    life.notice().await;
    // A new login for one of them, before anybody asks.
    world.put_members(&[format!("{:?}:{}", key("b"), world.entry("b", HOUR))]);
    let login = world.stored_refresh("b");
    let keeper = life.keeper.clone();
    assert_eq!(life.run(async move { keeper.restore_vanished().await }).await, ["a"]);
    assert_eq!((world.stored_refresh("a"), world.stored_refresh("b")), (old, login));
    assert_eq!(world.stored("a", "clientId"), "cl_a");
    assert!(life.report().vanished.is_empty());
    assert_eq!(life.entry("a").state, State::Fresh);
    let keeper = life.keeper.clone();
    assert!(life.run(async move { keeper.restore_vanished().await }).await.is_empty());
    assert_eq!((world.server.requests(), world.server.reuses.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn restored_entries_keep_unknown_members_and_get_the_last_pair() {
    let world = World::with_entries(&[("a", HOUR), ("b", HOUR)]);
    let odd = r#""scope":"mcp","big":123456789012345678901234567890,"float":1e400,"nested":{ "x" : [1, 2] }"#;
    let text = world.text().replace(r#""scope":"mcp""#, odd);
    world.put_text(&text);
    let life = world.live().await;
    life.pass(SECOND).await;
    // One is being refreshed when everything goes.
    let (before, old) = (world.text(), world.stored_refresh("a"));
    world.server.next([Answering::Slowly(5 * SECOND)]);
    let (names, keeper) = (["a".to_owned()], life.keeper.clone());
    life.run(async {
        tokio::join!(keeper.refresh(&names, true), async {
            tokio::time::sleep(2 * SECOND).await;
            world.put_members(&[]);
        })
    })
    .await;
    life.notice().await;
    assert_eq!(life.report().vanished.len(), 2);
    let keeper = life.keeper.clone();
    assert_eq!(life.run(async move { keeper.restore_vanished().await }).await, ["a", "b"]);
    let refreshed = world.stored_refresh("a");
    assert!(refreshed != old && world.server.is_good(&refreshed));
    // Byte for byte, in the order and the spelling of the client.
    assert_eq!(world.raw("b", &world.text()), world.raw("b", &before));
    let but_tokens = |text: &str| {
        let tokens = ["accessToken", "refreshToken", "expiresAt"];
        let kept = |member: &&str| !tokens.iter().any(|name| member.contains(name));
        world.raw("a", text).split(',').filter(kept).collect::<Vec<_>>().join(",")
    };
    assert_eq!(but_tokens(&world.text()), but_tokens(&before));
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_stored_beside_the_entries_is_restored_with_them() {
    let world = World::with_entries(&[("a", HOUR), ("b", HOUR)]);
    let config =
        format!(r#""mcpOAuthClientConfig":{{{:?}:{{"clientSecret":"made-up"}}}},"mcpOAuth":"#, key("a"));
    world.put_text(world.text().replacen(r#""mcpOAuth":"#, &config, 1));
    let life = world.live().await;
    life.pass(SECOND).await;
    world.put_text("{}");
    life.notice().await;
    let keeper = life.keeper.clone();
    assert_eq!(life.run(async move { keeper.restore_vanished().await }).await, ["a", "b"]);
    assert_eq!(world.stored("a", "clientSecret"), "made-up");
    assert!(world.stored("b", "clientSecret").is_null());
}

#[tokio::test(start_paused = true)]
async fn i5_a_removed_entry_cannot_be_restored() {
    let world = World::with_entries(&[("a", HOUR), ("b", HOUR), ("c", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    let only = |names: &[&str]| {
        let member = |name: &&str| format!("{:?}:{}", key(name), world.entry(name, HOUR));
        world.put_members(&names.iter().map(member).collect::<Vec<_>>());
    };
    only(&["b", "c"]);
    life.notice().await;
    only(&[]);
    life.notice().await;
    let keeper = life.keeper.clone();
    assert_eq!(life.run(async move { keeper.restore_vanished().await }).await, ["b", "c"]);
    assert!(world.stored("a", "serverName").is_null());
}

#[tokio::test(start_paused = true)]
async fn a_single_removed_entry_is_a_logout() {
    let world = World::with_entries(&[("a", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.put_members(&[]);
    life.notice().await;
    assert!(life.report().vanished.is_empty());
    assert_eq!(world.log.count(|event| matches!(event, Event::Removed)), 1);
}

#[tokio::test(start_paused = true)]
async fn another_live_pair_is_kept_and_ours_stays_in_the_journal_until_it_has_refreshed() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(5 * SECOND)]);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    // A new login lands while our request is on its way.
    let entry = world.entry("lab", HOUR).replace("cl_lab", "cl_lab_anew");
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    let login = world.stored_refresh("lab");
    life.notice().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.stored_refresh("lab"), login);
    assert_eq!(life.report().journal_open, 1);
    // It survives a restart, and goes when the store's pair has refreshed once.
    life.kill();
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(life.report().journal_open, 1);
    life.pass(HOUR).await;
    assert_eq!(life.report().journal_open, 0);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn a_healed_server_is_removed_from_the_clients_list_of_servers_to_skip() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let flags = "/home/u/.claude/mcp-needs-auth-cache.json";
    world.disk.put(flags, r#"{"lab":{"timestamp":1795381774631},"other":{"timestamp":1}}"#);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.disk.text(flags).unwrap(), r#"{"other":{"timestamp":1}}"#);
    assert_eq!(world.log.count(|event| matches!(event, Event::Unflagged)), 1);
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_wipe_during_a_failed_refresh_is_healed_afterwards() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.server.next([Answering::HangsThen(20 * SECOND, 503)]);
    let names = ["lab".to_owned()];
    let asked = life.keeper.clone();
    let (_, ()) = life
        .run(async {
            tokio::join!(asked.refresh(&names, true), async {
                tokio::time::sleep(10 * SECOND).await;
                wiped(&world);
                life.keeper.store_changed();
            })
        })
        .await;
    life.pass(5 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn a_lost_update_in_an_unwritable_store_is_healed_later_without_haste() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let old = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    let good = world.stored_refresh("lab");
    world.put_text(&old);
    world.disk.set_read_only(true);
    life.notice().await;
    life.disk.forget_calls();
    life.pass(10 * MINUTE).await;
    assert!(life.disk.calls().len() < 500, "{} calls", life.disk.calls().len());
    world.disk.set_read_only(false);
    life.pass(2 * MINUTE).await;
    assert_eq!(world.stored_refresh("lab"), good);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_becomes_malformed_is_left_alone_until_fixed() {
    let world = World::with_entries(&[("lab", 10 * MINUTE)]);
    let whole = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    world.put_text(whole.replace(r#""serverName":"lab""#, r#""serverName":["lab"]"#));
    life.notice().await;
    life.disk.forget_calls();
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 0);
    assert!(life.disk.calls().len() < 50, "{:?}", life.disk.calls());
    world.put_text(whole);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.log.count(|event| matches!(event, Event::Removed)), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stub_without_expiry_is_a_logout_even_if_the_absence_was_missed() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    // `claude mcp logout` and `claude mcp list` within one burst.
    let stub = r#"{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","discoveryState":{"tokenlessRejectedAt":1795381774631}}"#;
    world.put_members(&[format!("{:?}:{stub}", key("lab"))]);
    let text = world.text();
    life.notice().await;
    life.pass(2 * HOUR).await;
    assert_eq!(world.text(), text);
    assert_eq!(world.server.requests(), 0);
    // Should a failed refresh turn that stub into one with `expiresAt` 0, it is a logout all the same.
    wiped(&world);
    life.notice().await;
    life.pass(2 * HOUR).await;
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_entrys_content_is_reported_only_when_other_programs_change_it() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    let held = || world.log.count(|event| matches!(event, Event::Held { .. }));
    life.pass(SECOND).await;
    assert_eq!(held(), 1, "at the first look");
    life.run(life.keeper.refresh(&[], true)).await;
    life.pass(SECOND).await;
    assert_eq!(held(), 1, "what we write ourselves is told by its own event");
    let ends = |event: &Event| match event {
        Event::Ended { expires_at, .. } => *expires_at,
        _ => None,
    };
    let told = world.log.events().iter().find_map(ends).unwrap();
    assert_eq!(Some(told), life.entry("lab").expires_at);
    // An access token alone: a server that does not rotate refresh tokens.
    let refresh = world.stored_refresh("lab");
    let other = world.entry_with("lab", "at_other", &refresh, 2 * HOUR);
    world.put_members(&[format!("{:?}:{other}", key("lab"))]);
    life.notice().await;
    assert_eq!(held(), 2);
    let other = other.replace(r#""scope":"mcp""#, r#""scope":"mcp more""#);
    world.put_members(&[format!("{:?}:{other}", key("lab"))]);
    life.notice().await;
    assert_eq!(held(), 2, "it holds the same tokens");
    wiped(&world);
    life.notice().await;
    let stub = |event: &Event| matches!(event, Event::Held { stub: Some(_), refresh: None, .. });
    assert_eq!(world.log.count(stub), 1);
}
