//! A person's own login is never touched: while it goes on, and when it has landed.

use crate::world::{Answering, HOUR, Life, MINUTE, SECOND, World, key};
use refresh_engine::{Event, State};
use std::time::Duration;

/// What the client leaves when a person begins to log in on a good entry (measured with 2.1.332): `scope` goes, the registration stays.
fn login_begins(world: &World) {
    world.put_members(&[format!(
        r#"{:?}:{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","discoveryState":{{"authorizationServerUrl":"https://lab.test"}},"clientId":"cl_lab","issuer":"https://lab.test","redirectUri":"http://localhost:1/callback","expiresAt":0}}"#,
        key("lab")
    )]);
}

/// The login lands: a new family, with the same registration and the same callback port.
fn login_lands(world: &World, left: Duration) -> String {
    let entry = world.entry("lab", left);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.stored_refresh("lab")
}

async fn begun(left: Duration) -> (World, Life) {
    let world = World::with_entries(&[("lab", left)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    login_begins(&world);
    life.notice().await;
    (world, life)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_or_written_while_the_user_logs_in() {
    let (world, life) = begun(HOUR).await;
    let stub = world.text();
    life.pass(5 * MINUTE).await;
    assert_eq!((world.server.requests(), world.text()), (0, stub));
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
    let new = login_lands(&world, HOUR);
    life.notice().await;
    life.pass(10 * MINUTE).await;
    assert_eq!((world.server.requests(), world.stored_refresh("lab")), (0, new));
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_login_is_healed_after_the_clients_time_limit() {
    let (world, life) = begun(HOUR).await;
    life.pass(7 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(world.stored("lab", "scope"), "mcp");
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_login_during_a_request_is_kept_and_left_alone() {
    for quick in [false, true] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.server.next([Answering::Slowly(8 * SECOND)]);
        let life = world.live().await;
        life.pass(SECOND).await;
        login_begins(&world);
        if quick {
            life.keeper.store_changed();
            life.pass(Duration::from_millis(100)).await;
        } else {
            life.notice().await;
        }
        let new = login_lands(&world, 20 * MINUTE);
        life.notice().await;
        life.pass(MINUTE).await;
        assert_eq!(world.stored_refresh("lab"), new, "quick: {quick}");
        // The session in the other terminal has not used it yet.
        assert_eq!(world.server.requests(), 1, "quick: {quick}");
        life.pass(HOUR).await;
        assert!(world.server.is_good(&world.stored_refresh("lab")), "quick: {quick}");
        assert_eq!(world.server.reuses.get(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_obtained_during_an_abandoned_login_is_saved_afterwards() {
    for killed in [false, true] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.server.next([Answering::Slowly(8 * SECOND)]);
        let life = world.live().await;
        life.pass(SECOND).await;
        login_begins(&world);
        life.notice().await;
        let stub = world.text();
        life.pass(MINUTE).await;
        assert_eq!((world.server.requests(), world.text()), (1, stub), "nothing is written meanwhile");
        assert_eq!(life.report().journal_open, 1);
        let life = if killed {
            life.kill();
            world.live().await
        } else {
            life
        };
        life.pass(8 * MINUTE).await;
        assert!(world.server.is_good(&world.stored_refresh("lab")), "killed: {killed}");
        assert_eq!(life.entry("lab").state, State::Fresh);
        assert_eq!(life.report().journal_open, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_waited_for_a_login_yields_to_it() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(8 * SECOND)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    login_begins(&world);
    life.notice().await;
    life.pass(MINUTE).await;
    let new = login_lands(&world, HOUR);
    life.notice().await;
    life.pass(20 * MINUTE).await;
    assert_eq!((world.server.requests(), world.stored_refresh("lab")), (1, new));
    assert_eq!(life.report().journal_open, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_login_is_left_alone_until_a_client_would_refresh_it() {
    let (world, life) = begun(HOUR).await;
    life.pass(30 * SECOND).await;
    login_lands(&world, 7 * MINUTE);
    life.notice().await;
    life.pass(50 * SECOND).await;
    assert_eq!(world.server.requests(), 0);
    life.pass(20 * SECOND).await;
    assert_eq!(world.server.requests(), 1, "six minutes are left");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves_an_unsaved_pair_to_the_next_start() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(SECOND)]);
    let life = world.live().await;
    life.pass(SECOND / 2).await;
    let whole = world.text();
    world.put_text("{ half of it");
    life.notice().await;
    life.pass(3 * SECOND).await;
    let began = tokio::time::Instant::now();
    life.run(life.keeper.drain()).await;
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    life.kill();
    world.put_text(&whole);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_document_ends_the_refresh_and_releases_the_lock() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Slowly(8 * SECOND)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.delete();
    life.notice().await;
    life.pass(12 * SECOND).await;
    assert_eq!(life.keeper.running(), 0);
    let names = world.disk.names_in("/home/u/.claude");
    assert!(names.iter().all(|name| !name.ends_with(".lock")), "the lock is gone: {names:?}");
    assert_eq!(world.log.count(|event| matches!(event, Event::Replayed { .. })), 0);
    // One login is kept for a day as several are.
    world.put_members(&[]);
    life.notice().await;
    assert_eq!(life.report().vanished, ["lab"]);
    life.run(life.keeper.restore_vanished()).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn a_login_is_kept_whatever_stub_preceded_it_and_other_entries_are_unaffected() {
    const MEMBERS: [&str; 7] = [
        r#""accessToken":"""#,
        r#""refreshToken":"""#,
        r#""expiresAt":0"#,
        r#""scope":"mcp""#,
        r#""clientId":"cl_lab""#,
        r#""issuer":"https://lab.test""#,
        r#""redirectUri":"http://localhost:1/callback""#,
    ];
    for mixture in 0..1_u32 << MEMBERS.len() {
        let world = World::with_entries(&[("lab", HOUR), ("neighbour", 7 * MINUTE)]);
        let life = world.live().await;
        life.pass(SECOND).await;
        let kept = MEMBERS.iter().enumerate().filter(|(number, _)| mixture & (1 << number) != 0);
        let left: String = kept.map(|(_, member)| format!(",{member}")).collect();
        let stub = format!(r#"{{"serverName":"lab","serverUrl":"https://lab.test/mcp"{left}}}"#);
        let beside = |lab: &str| {
            let document = world.text();
            let neighbour = document.find(&format!("{:?}", key("neighbour"))).unwrap();
            let end = document.find(r#"},"later""#).unwrap();
            world.put_members(&[format!("{:?}:{lab}", key("lab")), document[neighbour..end].to_owned()]);
        };
        beside(&stub);
        life.notice().await;
        life.pass(4 * MINUTE).await;
        // What a login takes away is `scope`; only what a refused refresh leaves may be tried before the login's time is over.
        let has = |member: &str| left.contains(&format!("{member:?}:"));
        let refused = has("expiresAt") && (has("scope") || !has("clientId") && !has("redirectUri"));
        assert!(refused || world.text().contains(&stub), "not left alone: {stub}");
        beside(&world.entry("lab", HOUR));
        let new = world.stored_refresh("lab");
        life.notice().await;
        life.pass(4 * MINUTE).await;
        assert_eq!(world.stored_refresh("lab"), new, "after {stub}");
        assert!(world.server.is_good(&new), "after {stub}");
        assert_eq!(life.entry("lab").state, State::Fresh, "after {stub}");
        assert_eq!(life.entry("neighbour").state, State::Fresh, "after {stub}");
    }
}
