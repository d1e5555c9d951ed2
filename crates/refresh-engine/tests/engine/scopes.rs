//! Answers that grant less than the login has.

use crate::world::{Answering, HOUR, MINUTE, World, key};
use refresh_engine::{Event, State};
use std::time::Duration;

/// A login with this scope, at a server that gives `read` alone to a refresh that names no scope.
fn narrowed(scope: &str, left: Duration) -> World {
    let world = World::new();
    let entry = world.entry("lab", left).replace(r#""scope":"mcp""#, &format!(r#""scope":"{scope}""#));
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.server.default_scope.replace(Some("read".to_owned()));
    world
}

/// The scope that each request named.
fn named(world: &World) -> Vec<Option<String>> {
    let requests = world.server.requests.borrow();
    requests.iter().map(|request| request.scope.clone().filter(|_| request.shape.scope)).collect()
}

fn told(world: &World) -> Vec<String> {
    let words = |event: &Event| match event {
        Event::Narrowed { narrowing } => Some(narrowing.wording()),
        _ => None,
    };
    world.log.events().iter().filter_map(words).collect()
}

#[tokio::test(start_paused = true)]
async fn a_narrowed_scope_is_reported_and_requested_from_then_on() {
    let world = narrowed("read write", Duration::ZERO);
    let life = world.live().await;
    life.pass(10 * MINUTE).await;
    assert_eq!(named(&world), [None], "not before a refresh is due");
    assert_eq!(world.stored("lab", "scope"), "read", "what the token may do, as the client writes it");
    let words =
        "the server granted less scope than the login has, without write; the next refresh asks for it";
    assert_eq!(told(&world), [words]);
    assert_eq!(life.entry("lab").narrowing.map(|narrowing| narrowing.wording()).as_deref(), Some(words));
    life.pass(4 * HOUR).await;
    let asked = named(&world);
    assert!(
        asked.len() > 4 && asked[1..].iter().all(|scope| scope.as_deref() == Some("read write")),
        "{asked:?}"
    );
    assert_eq!(world.stored("lab", "scope"), "read write");
    assert_eq!((told(&world).len(), life.entry("lab").narrowing), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_stays_narrowed_is_requested_only_once() {
    let world = narrowed("read write", Duration::ZERO);
    world.server.honours_scope.set(false);
    let life = world.live().await;
    life.pass(8 * HOUR).await;
    let asked = named(&world);
    assert!(asked.len() > 8, "{asked:?}");
    assert_eq!(asked.iter().filter(|scope| scope.is_some()).count(), 1, "{asked:?}");
    assert_eq!(asked[1].as_deref(), Some("read write"));
    assert_eq!(told(&world).len(), 2);
    assert!(told(&world)[1].ends_with("asking for it did not help"));
    drop(life);
    // And not by the next agent either.
    let life = world.live().await;
    life.pass(4 * HOUR).await;
    assert_eq!(named(&world).iter().filter(|scope| scope.is_some()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn i1_a_refused_scope_causes_no_retry_while_the_access_token_is_good() {
    for (status, body) in [
        (400, r#"{"error":"invalid_scope","error_description":"Invalid scope: Requested scope is invalid"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
        (403, r#"{"error":"invalid_scope"}"#),
    ] {
        let world = narrowed("read write", HOUR);
        let life = world.live().await;
        // The first in the first hour, the one that names the scope in the second. It spends the token, as @node-oauth/oauth2-server 5.3.0 does.
        life.pass(50 * MINUTE).await;
        assert_eq!(named(&world).len(), 1);
        world.server.next([Answering::RefusedAfterRotation(status, body)]);
        life.pass(45 * MINUTE).await;
        assert_eq!((named(&world).len(), world.server.reuses.get()), (2, 0), "{body}");
        assert_eq!(named(&world)[1].as_deref(), Some("read write"));
        assert!(world.left("lab") > 5 * MINUTE && life.entry("lab").state == State::Refused, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_refused_without_spending_the_token_is_dropped_for_good() {
    for body in [
        r#"{"error":"invalid_scope"}"#,
        r#"{"error":"invalid_request"}"#,
        r#"{"error":"invalid_grant","error_description":"the scope exceeds the grant"}"#,
    ] {
        let world = narrowed("read write", Duration::ZERO);
        let life = world.live().await;
        life.pass(MINUTE).await;
        world.server.next([Answering::Status(400, body)]);
        life.pass(8 * HOUR).await;
        let asked = named(&world);
        assert!(asked.len() > 8, "{body}: {asked:?}");
        assert_eq!(asked[1].as_deref(), Some("read write"), "{body}");
        assert!(asked[2..].iter().all(Option::is_none), "{body}: {asked:?}");
        assert_eq!(life.entry("lab").state, State::Fresh, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_login_has_its_own_scope_requested() {
    let world = narrowed("read write", Duration::ZERO);
    world.server.honours_scope.set(false);
    let life = world.live().await;
    life.pass(4 * HOUR).await;
    let entry = world.entry("lab", HOUR).replace(r#""scope":"mcp""#, r#""scope":"read admin""#);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    life.pass(4 * HOUR).await;
    let asked: Vec<String> = named(&world).into_iter().flatten().collect();
    assert_eq!(asked, ["read write", "read admin"]);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_or_incomparable_scope_is_never_requested() {
    for scope in ["read", "read offline_access openid", "api://lab/.default offline_access", ""] {
        let world = narrowed(scope, Duration::ZERO);
        let life = world.live().await;
        life.pass(4 * HOUR).await;
        assert!(named(&world).len() > 3 && named(&world).iter().all(Option::is_none), "{scope}");
        assert!(told(&world).is_empty(), "{scope}");
    }
    // An answer without a word on the scope takes nothing from it.
    let world = narrowed("read write", Duration::ZERO);
    world.server.default_scope.replace(None);
    let life = world.live().await;
    life.pass(2 * HOUR).await;
    assert!(told(&world).is_empty() && world.stored("lab", "scope") == "read write");
    drop(life);
}
