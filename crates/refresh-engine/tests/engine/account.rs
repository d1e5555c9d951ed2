//! A logout from the account takes every login with it, also where there is only one; a logout from a server takes one.

use crate::world::{HOUR, Life, SECOND, World, key};
use refresh_engine::{Event, State};

/// What the client writes for an account that has just logged in.
const NEW_ACCOUNT: &str = r#"{"claudeAiOauth":{"accessToken":"sk-other"}}"#;

/// What the next session leaves for a server without a login (measured).
fn stub() -> String {
    format!(
        r#"{:?}:{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"","discoveryState":{{"tokenlessRejectedAt":1795381774631}}}}"#,
        key("lab")
    )
}

async fn with_one_login() -> (World, Life) {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    (world, life)
}

fn removed(world: &World) -> usize {
    world.log.count(|event| matches!(event, Event::Removed))
}

/// What the user has asked for, and what came back.
async fn restored(life: &Life) -> Vec<String> {
    let keeper = life.keeper.clone();
    life.run(async move { keeper.restore_vanished().await }).await
}

#[tokio::test(start_paused = true)]
async fn the_only_login_of_a_deleted_document_comes_back_into_the_one_of_the_next_account() {
    let (world, life) = with_one_login().await;
    let login = world.stored_refresh("lab");
    world.delete();
    life.notice().await;
    world.put_text(NEW_ACCOUNT);
    life.notice().await;
    assert_eq!(world.text(), NEW_ACCOUNT, "nothing is written before the user asks");
    assert_eq!((life.report().vanished, removed(&world)), (vec!["lab".to_owned()], 0));
    assert_eq!(restored(&life).await, ["lab"]);
    assert_eq!(world.stored_refresh("lab"), login);
    assert!(world.text().contains("sk-other"));
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_only_login_that_goes_with_the_account_login_is_kept_for_the_user() {
    for rest in ["{}", r#"{"mcpOAuth":{}}"#, r#"{"claudeAiOauth":null,"organizationUuid":"o"}"#] {
        let (world, life) = with_one_login().await;
        let login = world.stored_refresh("lab");
        world.put_text(rest);
        life.notice().await;
        assert_eq!((life.report().vanished, removed(&world)), (vec!["lab".to_owned()], 0), "{rest}");
        assert_eq!(world.text(), rest);
        world.put_text(NEW_ACCOUNT);
        life.notice().await;
        assert_eq!(restored(&life).await, ["lab"], "{rest}");
        assert_eq!(world.stored_refresh("lab"), login, "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stub_that_the_next_session_leaves_takes_nothing_from_the_user_and_gives_way_to_the_login() {
    for absence_seen in [true, false] {
        let (world, life) = with_one_login().await;
        let login = world.stored_refresh("lab");
        world.delete();
        life.notice().await;
        if absence_seen {
            world.put_text(NEW_ACCOUNT);
            life.notice().await;
        }
        world.put_members(&[stub()]);
        let text = world.text();
        life.notice().await;
        life.pass(HOUR).await;
        assert_eq!(world.text(), text, "absence seen: {absence_seen}");
        assert_eq!(life.report().vanished, ["lab"], "absence seen: {absence_seen}");
        assert_eq!(world.log.count(|event| matches!(event, Event::VanishedTogether { .. })), 1);
        assert_eq!(restored(&life).await, ["lab"], "absence seen: {absence_seen}");
        assert_eq!(world.stored("lab", "clientId"), "cl_lab");
        life.pass(SECOND * 5).await;
        assert!(world.server.is_good(&world.stored_refresh("lab")));
        assert!(life.report().vanished.is_empty());
        assert_eq!((world.server.reuses.get(), world.server.is_good(&login)), (0, false), "it had expired");
    }
}

#[tokio::test(start_paused = true)]
async fn i5_a_logout_from_the_server_whose_login_had_vanished_is_a_logout() {
    let (world, life) = with_one_login().await;
    world.put_text("{}");
    life.notice().await;
    world.put_members(&[stub()]);
    life.notice().await;
    assert_eq!(life.report().vanished, ["lab"]);
    world.put_members(&[]);
    life.notice().await;
    assert!(life.report().vanished.is_empty());
    assert!(restored(&life).await.is_empty());
    assert!(world.stored("lab", "serverName").is_null());
}

#[tokio::test(start_paused = true)]
async fn i5_the_only_entry_that_goes_alone_stays_removed() {
    for rest in [NEW_ACCOUNT, r#"{"claudeAiOauth":{"accessToken":"sk-made-up"},"mcpOAuth":{}}"#] {
        let (world, life) = with_one_login().await;
        world.put_text(rest);
        life.notice().await;
        assert_eq!((life.report().vanished.len(), removed(&world)), (0, 1), "{rest}");
        // Also where the account login goes later.
        world.put_text("{}");
        life.notice().await;
        assert!(restored(&life).await.is_empty(), "{rest}");
        assert_eq!(world.text(), "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn i5_a_user_without_an_account_login_logs_out_of_the_only_server() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.put_text(world.text().replacen("claudeAiOauth", "other", 1));
    let life = world.live().await;
    life.pass(SECOND).await;
    world.put_text(r#"{"mcpOAuth":{}}"#);
    life.notice().await;
    assert_eq!((life.report().vanished.len(), removed(&world)), (0, 1));
    assert!(restored(&life).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn i5_an_entry_that_goes_with_the_account_login_while_another_stays_is_a_logout() {
    let world = World::with_entries(&[("lab", HOUR), ("other", HOUR)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    let other = world.raw("other", &world.text());
    world.put_text(format!(r#"{{"mcpOAuth":{{{:?}:{other}}}}}"#, key("other")));
    life.notice().await;
    assert_eq!((life.report().vanished.len(), removed(&world)), (0, 1));
}
