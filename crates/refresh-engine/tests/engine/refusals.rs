//! Refusals that are about the request and not about the login, and those that pass.

use crate::world::{Answering, HOUR, MINUTE, SECOND, World, key};
use refresh_engine::{Event, Need, State};
use std::time::Duration;
use token_endpoint::{ClientAuth, RefreshRequest};

const TARGET: Answering = Answering::Status(400, r#"{"error":"invalid_target"}"#);

fn shapes(world: &World) -> Vec<bool> {
    world.server.requests.borrow().iter().map(|request| request.shape.resource).collect()
}

fn each<T>(world: &World, of: impl Fn(&RefreshRequest) -> T) -> Vec<T> {
    world.server.requests.borrow().iter().map(of).collect()
}

/// Makes the entry one of a client with a secret.
fn with_secret(world: &World, left: Duration) {
    let entry = world.entry("lab", left).replacen('{', r#"{"clientSecret":"se cret","#, 1);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.server.auth_methods.borrow_mut().clear();
}

#[tokio::test(start_paused = true)]
async fn i1_while_the_access_token_is_good_no_other_shape_is_tried_because_the_token_may_be_spent() {
    let world = World::with_entries(&[("lab", HOUR)]);
    // oidc-provider 9.13.3: rotates, then looks at `resource`.
    world.server.next([Answering::RefusedAfterRotation(400, r#"{"error":"invalid_target"}"#)]);
    let life = world.live().await;
    life.pass(54 * MINUTE).await;
    assert_eq!(shapes(&world), [true], "and then still");
    assert_eq!(world.server.reuses.get(), 0, "the family lives, and the access token with it");
    assert_eq!(life.entry("lab").state, State::Refused);
    // Now the client would present it, too.
    life.pass(90 * SECOND).await;
    assert_eq!(shapes(&world), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_the_resource_unspent_is_asked_without_it_in_the_clients_window_and_from_then_on()
 {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.next([TARGET]);
    let life = world.live().await;
    life.pass(56 * MINUTE).await;
    assert_eq!(shapes(&world), [true, false]);
    assert_eq!(life.entry("lab").state, State::Fresh);
    life.pass(3 * HOUR).await;
    assert!(shapes(&world)[1..].iter().all(|resource| !resource), "{:?}", shapes(&world));
}

#[tokio::test(start_paused = true)]
async fn every_dress_of_a_refusal_because_of_the_resource_is_understood() {
    for (status, body) in [
        (400, r#"{"error":"invalid_target","error_description":"unknown"}"#),
        (400, r#"{"error":"invalid_request","error_description":"unknown parameter: resource"}"#),
        (400, r#"{"error":"invalid_scope","error_description":"resource is not supported"}"#),
        (400, r#"{"statusCode":400,"message":["property resource should not exist"],"error":"Bad Request"}"#),
        (
            422,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","resource"],"msg":"Extra inputs are not permitted"}]}"#,
        ),
        (422, r#"{"detail":"unexpected field resource"}"#),
        (400, "Unrecognized parameter: resource"),
        (401, r#"{"error":"invalid_request","message":"The resource parameter is not allowed"}"#),
        (403, "resource is not permitted"),
    ] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.server.next([Answering::Status(status, body)]);
        let life = world.live().await;
        life.pass(10 * SECOND).await;
        assert_eq!(shapes(&world), [true, false], "{status} {body}");
        assert_eq!(life.entry("lab").state, State::Fresh, "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_nothing_is_answered_by_a_guess_at_the_next_try() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Status(400, r#"{"error":"invalid_request"}"#)]);
    let life = world.live().await;
    life.pass(2 * MINUTE).await;
    assert_eq!(shapes(&world), [true, false]);
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_begins_to_demand_the_resource_gets_it_again() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([TARGET]);
    let life = world.live().await;
    life.pass(MINUTE).await;
    world.server.next([Answering::Status(
        400,
        r#"{"error":"invalid_request","error_description":"resource is required"}"#,
    )]);
    life.pass(HOUR).await;
    let shapes = shapes(&world);
    assert_eq!(shapes[..3], [true, false, false]);
    assert!(shapes[3], "{shapes:?}");
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn the_resource_is_the_one_of_the_metadata_else_the_servers_url_as_the_client_writes_it() {
    for (named, url, expected) in [
        (Some("https://lab.test/"), "https://lab.test/mcp", "https://lab.test/"),
        (None, "https://lab.test/mcp", "https://lab.test/mcp"),
        (None, "https://lab.test", "https://lab.test/"),
    ] {
        let world = World::new();
        let entry = world.entry("lab", Duration::ZERO).replace("https://lab.test/mcp", url);
        world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
        world.server.resource.replace(named.map(ToOwned::to_owned));
        let life = world.live().await;
        life.pass(SECOND).await;
        assert_eq!(each(&world, |request| request.resource.clone()), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_with_a_secret_says_so_as_claude_code_does_or_else_in_another_way_which_is_remembered() {
    let world = World::new();
    with_secret(&world, HOUR);
    world.server.next([Answering::Status(401, r#"{"error":"invalid_client"}"#)]);
    let life = world.live().await;
    life.pass(4 * HOUR).await;
    let ways = each(&world, |request| request.auth);
    assert_eq!(ways[..2], [ClientAuth::BasicPlain, ClientAuth::Basic]);
    assert!(ways.len() > 3 && ways[2..].iter().all(|way| *way == ClientAuth::Basic), "{ways:?}");
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_tried_in_each_way_once_before_it_is_believed() {
    let world = World::new();
    with_secret(&world, Duration::ZERO);
    world.server.always.replace(Some(Answering::Status(401, r#"{"error":"invalid_client"}"#)));
    let life = world.live().await;
    life.pass(24 * HOUR).await;
    assert_eq!(
        each(&world, |request| request.auth),
        [ClientAuth::BasicPlain, ClientAuth::Basic, ClientAuth::Post]
    );
    assert!(matches!(life.entry("lab").need, Some(Need::ClientDead { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_client_id_that_is_a_url_is_not_gone_when_its_document_cannot_be_read() {
    let world = World::new();
    let entry = world.entry("lab", Duration::ZERO).replace("cl_lab", "https://claude.test/client.json");
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.server.always.replace(Some(Answering::Status(401, r#"{"error":"invalid_client"}"#)));
    let life = world.live().await;
    life.pass(3 * HOUR).await;
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
    assert!(world.server.requests() < 20, "{}", world.server.requests());
    world.server.always.replace(None);
    life.pass(15 * MINUTE + SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_a_client_id_is_of_the_configured_client() {
    let world = World::new();
    let entry = world.entry("lab", Duration::ZERO).replace(r#""clientId":"cl_lab","#, "");
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.session.client_id.replace(Some("configured".to_owned()));
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(each(&world, |request| request.client_id.clone()), [Some("configured".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_page_before_the_token_endpoint_is_waited_out_for_hours_before_a_person_is_called() {
    for (status, body) in [(403, "<html>Forbidden</html>"), (404, "tunnel not found"), (403, "")] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.server.always.replace(Some(Answering::Status(status, body)));
        let life = world.live().await;
        life.pass(3 * HOUR).await;
        let told = || world.log.count(|event| matches!(event, Event::NeedsPerson { .. }));
        assert_eq!(told(), 0, "{status} {body}");
        let asked = world.server.requests();
        assert!((10..25).contains(&asked), "{status} {body}: {asked}");
        life.pass(3 * HOUR).await;
        assert_eq!(told(), 1, "{status} {body}");
        // And it is still asked.
        world.server.always.replace(None);
        life.pass(15 * MINUTE + SECOND).await;
        assert_eq!(life.entry("lab").state, State::Fresh, "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_calls_a_token_dead_while_it_is_redeployed_is_asked_again() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Status(400, r#"{"error":"invalid_grant"}"#)]);
    let life = world.live().await;
    life.pass(2 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_insists_is_answered_by_the_server_even_where_it_called_the_token_dead() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let dead = Answering::Status(400, r#"{"error":"invalid_grant"}"#);
    world.server.next([dead.clone(), dead.clone(), dead]);
    let life = world.live().await;
    life.pass(HOUR).await;
    assert!(matches!(life.entry("lab").need, Some(Need::Dead { .. })));
    let ends = life.run(life.keeper.refresh(&["lab".into()], true)).await;
    assert_eq!(ends[0].how, refresh_engine::RefreshedHow::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_without_end_is_told_to_a_person_after_an_hour_and_asked_on() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let failing = r#"{"error":"server_error","error_description":"the database is gone"}"#;
    world.server.always.replace(Some(Answering::Status(500, failing)));
    let life = world.live().await;
    let told = || {
        world.log.count(|event| {
            matches!(event, Event::NeedsPerson { need: Need::ServerFails { why } } if why.contains("the database is gone"))
        })
    };
    life.pass(30 * MINUTE).await;
    assert_eq!(told(), 0);
    life.pass(90 * MINUTE).await;
    assert_eq!(told(), 1);
    world.server.always.replace(None);
    life.pass(15 * MINUTE + SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_a_proxy_tells_as_its_own_failure_is_asked_about_three_times_and_then_told() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let proxied = r#"{"error":"server_error","error_description":"Token refresh failed: 400"}"#;
    world.server.always.replace(Some(Answering::Status(500, proxied)));
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    // Nothing was left open, so nobody asks again at once.
    assert_eq!(world.server.requests(), 1);
    assert!(matches!(life.entry("lab").need, Some(Need::Dead { .. })));
    let last = life.entry("lab").last.map(|last| last.detail).unwrap_or_default();
    assert!(last.contains("Token refresh failed: 400"), "{last}");
    let told = || world.log.count(|event| matches!(event, Event::NeedsPerson { need: Need::Dead { .. } }));
    assert_eq!(told(), 0, "the server may be in the middle of a deployment");
    life.pass(12 * MINUTE).await;
    assert_eq!((world.server.requests(), told()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_big_is_not_asked_for_again_at_once() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.grace.set(10 * MINUTE);
    world.server.next([Answering::TooBig]);
    let life = world.live().await;
    life.pass(50 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    life.pass(20 * SECOND).await;
    assert_eq!((world.server.requests(), life.entry("lab").state), (2, State::Fresh));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_took_as_resource_is_sent_on_whatever_its_metadata_names_since() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    world.server.resource.replace(Some("https://lab.test/".to_owned()));
    life.pass(30 * HOUR).await;
    assert!(world.server.discoveries.get() > 1);
    let sent = each(&world, |request| request.resource.clone());
    assert!(sent.len() > 30 && sent.iter().all(|resource| resource == "https://lab.test/mcp"), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_login_is_refreshed_with_the_resource_that_the_metadata_names_now() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(25 * HOUR).await;
    world.server.resource.replace(Some("https://lab.test/".to_owned()));
    let entry = world.entry("lab", HOUR);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    life.pass(25 * HOUR).await;
    let sent = each(&world, |request| request.resource.clone());
    assert_eq!(sent.last().map(String::as_str), Some("https://lab.test/"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_says_that_it_is_for_the_servers_own_url_is_refreshed_for_that() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    for (audience, expected) in [
        (r#""https://lab.test/mcp""#, "https://lab.test/mcp"),
        (r#"["https://lab.test/mcp","https://lab.test/userinfo"]"#, "https://lab.test/mcp"),
        (r#"["https://lab.test/mcp","https://lab.test/"]"#, "https://lab.test/"),
        (r#""https://lab.test""#, "https://lab.test/"),
        (r#""api://lab""#, "https://lab.test/"),
        ("7", "https://lab.test/"),
    ] {
        let world = World::new();
        world.server.resource.replace(Some("https://lab.test/".to_owned()));
        let access = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"aud":{audience}}}"#)));
        let (_, refresh) = world.server.grant("lab");
        let entry = world.entry_with("lab", &access, &refresh, Duration::ZERO);
        world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
        let life = world.live().await;
        life.pass(2 * HOUR).await;
        let sent = each(&world, |request| request.resource.clone());
        assert!(sent.len() > 1 && sent.iter().all(|resource| resource == expected), "{audience}: {sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shape_that_was_refused_is_not_tried_twice_in_one_attempt() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let other =
        r#"{"error":"invalid_target","error_description":"the resource parameter names another server"}"#;
    let none = r#"{"error":"invalid_target","error_description":"the resource parameter is required"}"#;
    world.server.next([Answering::Status(400, other), Answering::Status(400, none)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(shapes(&world), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_the_client_id_beside_the_header_gets_it_when_nothing_else_helps() {
    let world = World::new();
    with_secret(&world, Duration::ZERO);
    let missing = r#"{"error":"invalid_client","error_description":"Missing client_id"}"#;
    let wrong = r#"{"error":"invalid_client","error_description":"Missing or invalid Basic authentication"}"#;
    let answers = [missing, missing, wrong].map(|body| Answering::Status(401, body));
    world.server.next(answers);
    let life = world.live().await;
    life.pass(2 * HOUR).await;
    let ways = each(&world, |request| request.auth);
    let expected = [ClientAuth::BasicPlain, ClientAuth::Basic, ClientAuth::Post, ClientAuth::BasicAndId];
    assert_eq!(ways[..4], expected);
    assert!(ways.len() > 4 && ways[4..].iter().all(|way| *way == ClientAuth::BasicAndId), "{ways:?}");
}

#[tokio::test(start_paused = true)]
async fn a_503_that_comes_from_inside_the_server_leaves_it_open_what_became_of_the_token() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.grace.set(10 * SECOND);
    let inside = r#"{"error":"server_error"}"#;
    world.server.next([Answering::RefusedAfterRotation(503, inside)]);
    let life = world.live().await;
    life.pass(52 * MINUTE).await;
    // Not a minute later, as after a 503 that proves that nothing was consumed.
    assert_eq!((world.server.requests(), world.server.reuses.get()), (2, 0));
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_that_the_login_named_holds_where_the_answers_name_none() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.server.always.replace(Some(Answering::Endless));
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 0);
    life.pass(5 * HOUR).await;
    assert!(world.left("lab") > 300 * SECOND, "{:?}", world.left("lab"));
    assert!((5..9).contains(&world.server.requests()), "{}", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_is_a_jwt_is_used_at_three_quarters_of_its_life() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let world = World::new();
    let lapses = world.now().as_second() + 4 * 3600;
    let refresh = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{lapses}}}"#)));
    let entry = world.entry_with("lab", "at_lab", &refresh, 100 * HOUR);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    let life = world.live().await;
    life.pass(3 * HOUR - MINUTE).await;
    assert_eq!(world.server.requests(), 0);
    life.pass(2 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
}
