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
async fn i1_no_other_shape_is_tried_while_the_access_token_is_good() {
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
async fn a_resource_refused_without_spending_the_token_is_dropped_in_the_clients_window() {
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
async fn every_form_of_a_resource_refusal_is_recognised() {
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
async fn an_unspecific_refusal_makes_the_next_try_guess_the_shape() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Status(400, r#"{"error":"invalid_request"}"#)]);
    let life = world.live().await;
    life.pass(2 * MINUTE).await;
    assert_eq!(shapes(&world), [true, false]);
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_to_demand_the_resource_gets_it_again() {
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
async fn the_resource_comes_from_the_metadata_else_from_the_servers_url() {
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
async fn a_confidential_client_authenticates_like_claude_code_or_in_a_way_that_is_remembered() {
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
async fn each_authentication_method_is_tried_once_before_a_client_counts_as_gone() {
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
async fn a_url_client_id_is_not_gone_if_its_document_cannot_be_fetched() {
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
async fn an_entry_without_a_client_id_uses_the_configured_client() {
    let world = World::new();
    let entry = world.entry("lab", Duration::ZERO).replace(r#""clientId":"cl_lab","#, "");
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    world.session.client_id.replace(Some("configured".to_owned()));
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(each(&world, |request| request.client_id.clone()), [Some("configured".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_page_in_front_of_the_token_endpoint_is_waited_out_for_hours() {
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
async fn a_token_called_dead_during_a_redeployment_is_retried() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.next([Answering::Status(400, r#"{"error":"invalid_grant"}"#)]);
    let life = world.live().await;
    life.pass(2 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(world.log.count(|event| matches!(event, Event::NeedsPerson { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_presents_even_a_token_called_dead() {
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
async fn a_server_that_keeps_failing_is_reported_after_an_hour_and_still_tried() {
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
async fn a_refusal_disguised_by_a_proxy_is_tried_three_times_and_then_reported() {
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
async fn an_oversized_answer_is_not_retried_at_once() {
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
async fn an_accepted_resource_is_kept_whatever_the_metadata_names_later() {
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
async fn a_new_login_uses_the_resource_in_the_present_metadata() {
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
async fn a_token_issued_for_the_servers_own_url_is_refreshed_for_it() {
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
async fn a_refused_shape_is_not_retried_within_one_attempt() {
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
async fn a_server_that_wants_the_client_id_in_the_body_too_gets_it_as_a_last_resort() {
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
async fn a_503_from_inside_the_server_leaves_the_tokens_fate_open() {
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
async fn the_logins_lifetime_applies_if_answers_name_none() {
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
async fn a_jwt_refresh_token_is_used_at_three_quarters_of_its_lifetime() {
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
