//! One grant in several entries is one transaction, whose pair goes to all of them.

use crate::world::{Answering, HOUR, MINUTE, SECOND, STORE, World, key};
use claude_store::FileSystem;
use refresh_engine::{Need, RefreshedHow, State};
use std::path::Path;
use std::time::Duration;

const COPY: &str = "/home/u/.copy";
const COPY_STORE: &str = "/home/u/.copy/.credentials.json";

/// A world with one login whose folder was copied.
fn copied(left: Duration) -> World {
    let mut world = World::with_entries(&[("lab", left)]);
    world.disk.put_folder(COPY);
    world.disk.put(COPY_STORE, world.text());
    world.copies = vec![COPY];
    world
}

fn refresh_in(world: &World, store: &str) -> String {
    let text = world.disk.text(store).unwrap().replace("1e400", "0");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["mcpOAuth"][key("lab")]["refreshToken"].as_str().unwrap_or_default().to_owned()
}

fn both_hold_the_good_pair(world: &World) {
    let (one, other) = (refresh_in(world, STORE), refresh_in(world, COPY_STORE));
    assert_eq!(one, other);
    assert!(world.server.is_good(&one));
    assert_eq!(world.server.reuses.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_copied_folder_is_fresh_with_one_request_for_both() {
    for left in [Duration::ZERO, 6 * MINUTE, 2 * HOUR] {
        let world = copied(left);
        let life = world.live().await;
        life.pass(24 * HOUR).await;
        both_hold_the_good_pair(&world);
        assert_eq!(life.entry("lab").state, State::Fresh, "{left:?}");
        assert_eq!(life.copies[0].report().entries[0].state, State::Fresh, "{left:?}");
        // An hour each, a quarter of it margin.
        let requests = world.server.requests();
        assert!((30..=36).contains(&requests), "{left:?}: {requests}");
    }
}

#[tokio::test(start_paused = true)]
async fn refreshes_requested_in_both_folders_are_one() {
    let world = copied(HOUR);
    let life = world.live().await;
    life.pass(SECOND).await;
    let names = ["lab".to_owned()];
    let ends = life
        .run(async { tokio::join!(life.keeper.refresh(&names, true), life.copies[0].refresh(&names, true)) })
        .await;
    assert_eq!(world.server.requests(), 1, "{ends:?}");
    both_hold_the_good_pair(&world);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_for_one_folder_also_blocks_the_other_even_if_forced() {
    let world = copied(2 * HOUR);
    world.server.always.replace(Some(Answering::LostBefore));
    let life = world.live().await;
    life.pass(SECOND).await;
    let names = ["lab".to_owned()];
    let both = async || tokio::join!(life.keeper.refresh(&names, true), life.copies[0].refresh(&names, true));
    let ends = life.run(both()).await;
    assert_eq!(world.server.requests(), 3, "one transaction, with its two early retries: {ends:?}");
    let ends = life.run(both()).await;
    assert_eq!(world.server.requests(), 3, "{ends:?}");
    for end in [&ends.0[0], &ends.1[0]] {
        assert!(matches!(end.how, RefreshedHow::Held(_)), "{end:?}");
    }
    world.server.always.replace(None);
    life.pass(2 * HOUR).await;
    both_hold_the_good_pair(&world);
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_at_any_moment_both_folders_are_intact_or_healed() {
    for moment in 0..60 {
        let world = copied(Duration::ZERO);
        world.server.grace.set(30 * SECOND);
        world.server.next([Answering::Slowly(500 * SECOND / 1000)]);
        let life = world.live().await;
        life.pass(Duration::from_millis(20) * moment).await;
        life.kill();
        let sent = world.server.requests() > 0;
        let life = world.live().await;
        // What was sent is known to the journal, and so are the locks of both folders; a lock without it looks dead after a minute.
        life.pass(if sent { 5 * SECOND } else { 2 * MINUTE }).await;
        both_hold_the_good_pair(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_restored_from_a_backup_gets_the_live_pair() {
    let world = copied(6 * MINUTE);
    let backup = world.text();
    let life = world.live().await;
    life.pass(2 * HOUR).await;
    let requests = world.server.requests();
    world.disk.put(COPY_STORE, &backup);
    life.copies[0].store_changed();
    life.pass(2 * SECOND).await;
    both_hold_the_good_pair(&world);
    assert_eq!(world.server.requests(), requests, "no request was needed");
    // And while nobody looked.
    life.kill();
    world.disk.put(COPY_STORE, &backup);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    both_hold_the_good_pair(&world);
    assert_eq!(life.copies[0].report().entries[0].state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_login_in_one_store_are_refreshed_once() {
    let world = World::new();
    let (access, refresh) = world.server.grant("lab");
    let entry = |name: &str| {
        let entry = world.entry_with("lab", &access, &refresh, 6 * MINUTE);
        format!(
            "{:?}:{}",
            key(name),
            entry.replace("\"serverName\":\"lab\"", &format!("\"serverName\":{name:?}"))
        )
    };
    world.put_members(&[entry("lab"), entry("second")]);
    let life = world.live().await;
    life.pass(10 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    assert_eq!(world.stored_refresh("lab"), world.stored_refresh("second"));
    assert!(world.server.is_good(&world.stored_refresh("second")));
    assert_eq!(life.entry("second").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn an_entry_never_gets_another_servers_token() {
    let world = World::new();
    let (access, refresh) = world.server.grant("lab");
    let lab = world.entry_with("lab", &access, &refresh, 6 * MINUTE);
    // Somebody who knows the old refresh token made another server's entry of it.
    let evil = world.entry_with("evil", "at_evil", &refresh, HOUR);
    world.put_members(&[format!("{:?}:{lab}", key("lab")), format!("{:?}:{evil}", key("evil"))]);
    let life = world.live().await;
    life.pass(20 * MINUTE).await;
    assert_eq!(
        (world.stored_refresh("evil"), world.stored("evil", "accessToken")),
        (refresh, "at_evil".into())
    );
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert!(world.server.requests.borrow().iter().all(|request| request.resource.contains("lab.test")));
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_grant_found_dead_in_one_folder_is_dead_in_the_other() {
    let world = copied(Duration::ZERO);
    world.server.revoke("lab");
    let life = world.live().await;
    life.pass(24 * HOUR).await;
    assert!(world.server.requests() <= 3, "{:?}", world.server.presented.borrow());
    assert!(matches!(life.entry("lab").need, Some(Need::Dead { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_folder_does_not_block_the_others() {
    let world = copied(6 * MINUTE);
    world.disk.put(COPY_STORE, "{ half of it");
    let life = world.live().await;
    life.pass(5 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_a_client_that_refreshes_in_the_copy() {
    let world = copied(6 * MINUTE);
    let lock = Path::new(COPY).join("mcp-refresh-lab_6f671eeac57e3e15.lock.lock");
    world.disk.put_folder(lock.to_str().unwrap());
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert_eq!(world.server.requests(), 0, "the client holds the lock of the copy");
    world.disk.remove_folder(&lock).unwrap();
    life.pass(MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    both_hold_the_good_pair(&world);
}
