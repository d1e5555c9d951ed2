//! Rotation, reuse, grace, revocation: what the authorization server does with a refresh token.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use common::{FORM, PING, call, get, refresh, request};
use scripted_server::{
    Answer, ClientAuth, DeadStyle, EarlyRefusal, Outcome, RefreshTokenForm, ResourceRule, Reuse, Script,
    Server, Shape, TokenState,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_refresh_rotates_both_tokens_and_spends_the_old_one() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    let reply = refresh(server.address(), &grant, &grant.refresh_token);
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.json()["expires_in"], 3600);
    let (access, next) = (reply.member("access_token"), reply.member("refresh_token"));
    assert_ne!(next, grant.refresh_token);
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Spent);
    assert_eq!(server.state_of(&next), TokenState::Current);
    assert!(server.accepts(&access) && server.accepts(&grant.access_token));
    assert_eq!(
        (server.refreshes(), server.token_requests_by("test"), server.token_requests_by("other")),
        (1, 1, 0)
    );
}

#[test]
fn a_spent_refresh_token_without_grace_revokes_its_family_and_no_other() {
    let server = Server::start(Script::default()).unwrap();
    let (grant, other) = (server.grant(HOUR), server.grant(HOUR));
    let next = refresh(server.address(), &grant, &grant.refresh_token).member("refresh_token");
    let reply = refresh(server.address(), &grant, &grant.refresh_token);
    assert_eq!((reply.status(), reply.member("error")), (400, "invalid_grant".to_owned()));
    assert_eq!(
        (server.reuses_by("test"), server.reuses_by("mcp-refreshd"), server.families_revoked()),
        (1, 0, 1)
    );
    assert_eq!(server.state_of(&next), TokenState::Revoked);
    assert_eq!(refresh(server.address(), &grant, &next).status(), 400);
    assert_eq!(call(server.address(), &grant.access_token, PING).status(), 401);
    assert_eq!(server.reuses_by(""), 1, "a token of a dead family is dead, not reused");
    assert_eq!(refresh(server.address(), &other, &other.refresh_token).status(), 200);
}

#[test]
fn within_the_grace_a_spent_refresh_token_gives_the_current_one_and_after_it_revokes() {
    let server = Server::start(Script { reuse: Reuse::Revoke { grace: HOUR }, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    let first = refresh(server.address(), &grant, &grant.refresh_token);
    let replay = refresh(server.address(), &grant, &grant.refresh_token);
    assert_eq!(replay.member("refresh_token"), first.member("refresh_token"));
    assert_ne!(replay.member("access_token"), first.member("access_token"));
    assert_eq!(server.log().last().unwrap().outcome, Outcome::Replayed);
    server.set(|script| script.reuse = Reuse::Revoke { grace: Duration::from_nanos(1) });
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 400);
    assert_eq!(server.families_revoked(), 1);
}

#[test]
fn a_server_that_only_refuses_a_spent_token_leaves_the_family_alive() {
    let server = Server::start(Script { reuse: Reuse::Refuse, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    let next = refresh(server.address(), &grant, &grant.refresh_token).member("refresh_token");
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 400);
    assert_eq!((server.families_revoked(), server.state_of(&next)), (0, TokenState::Current));
}

#[test]
fn where_the_previous_token_is_good_the_one_before_it_is_not() {
    let server = Server::start(Script { reuse: Reuse::PreviousIsGood, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    let unused = refresh(server.address(), &grant, &grant.refresh_token).member("refresh_token");
    let second = refresh(server.address(), &grant, &grant.refresh_token).member("refresh_token");
    assert_eq!(server.state_of(&unused), TokenState::Unknown, "the one that nobody used went");
    let third = refresh(server.address(), &grant, &second).member("refresh_token");
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 400);
    assert_eq!(server.state_of(&third), TokenState::Current);
    assert_eq!(server.families_revoked(), 0);
}

#[test]
fn a_server_that_does_not_rotate_gives_the_old_token_back_or_leaves_it_out() {
    let server = Server::start(Script { rotates: false, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    assert_eq!(
        refresh(server.address(), &grant, &grant.refresh_token).member("refresh_token"),
        grant.refresh_token
    );
    for (form, shown) in [
        (RefreshTokenForm::Absent, None),
        (RefreshTokenForm::Null, Some(serde_json::Value::Null)),
        (RefreshTokenForm::Empty, Some("".into())),
    ] {
        server.answer_next(Answer::shaped(Shape { refresh_token: form, ..Shape::default() }));
        let reply = refresh(server.address(), &grant, &grant.refresh_token);
        assert_eq!(reply.json().get("refresh_token"), shown.as_ref());
    }
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Current);
}

#[test]
fn the_old_access_token_dies_at_the_rotation_where_the_script_says_so() {
    let server = Server::start(Script { old_access_dies: true, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    assert_eq!(call(server.address(), &grant.access_token, PING).status(), 200);
    let access = refresh(server.address(), &grant, &grant.refresh_token).member("access_token");
    assert_eq!(call(server.address(), &grant.access_token, PING).status(), 401);
    assert_eq!(call(server.address(), &access, PING).status(), 200);
    assert_eq!(server.unauthorized(), 1);
}

#[test]
fn an_early_refresh_is_refused_and_costs_nothing() {
    let rule = EarlyRefusal { above: Duration::from_secs(360), code: "invalid_grant".to_owned() };
    let server = Server::start(Script { early_refusal: Some(rule), ..Script::default() }).unwrap();
    let early = server.grant(HOUR);
    assert_eq!(refresh(server.address(), &early, &early.refresh_token).member("error"), "invalid_grant");
    assert_eq!(server.state_of(&early.refresh_token), TokenState::Current);
    let due = server.grant(Duration::from_secs(300));
    assert_eq!(refresh(server.address(), &due, &due.refresh_token).status(), 200);
}

#[test]
fn a_dead_grant_is_told_in_the_style_of_each_server() {
    let server = Server::start(Script::default()).unwrap();
    for (style, status, error, description) in [
        (DeadStyle::InvalidGrant, 400, "invalid_grant", "the grant was revoked"),
        (DeadStyle::Unauthorized, 401, "invalid_grant", "the grant was revoked"),
        (DeadStyle::Linear, 400, "invalid_grant", "Grant not found"),
        (DeadStyle::Slack, 200, "invalid_refresh_token", ""),
        (DeadStyle::Atlassian, 403, "unauthorized_client", "refresh_token is invalid"),
        (DeadStyle::Zitadel, 400, "invalid_request", "Errors.OIDCSession.RefreshTokenInvalid"),
    ] {
        server.set(|script| script.dead_style = style);
        let grant = server.grant(HOUR);
        assert!(server.kill(&grant.refresh_token));
        let reply = refresh(server.address(), &grant, &grant.refresh_token);
        assert_eq!((reply.status(), reply.member("error").as_str()), (status, error), "{style:?}");
        assert_eq!(reply.json()["error_description"].as_str().unwrap_or_default(), description);
        assert_eq!(server.log().last().unwrap().outcome, Outcome::Dead);
    }
}

#[test]
fn a_pruned_client_is_unknown_from_then_on() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    assert!(server.prune_client(&grant.client_id));
    let reply = refresh(server.address(), &grant, &grant.refresh_token);
    assert_eq!((reply.status(), reply.member("error")), (401, "invalid_client".to_owned()));
    assert_eq!(
        server.state_of(&grant.refresh_token),
        TokenState::Current,
        "the grant itself was not touched"
    );
}

#[test]
fn a_secret_is_demanded_where_the_script_demands_it() {
    let post = |grant: &scripted_server::Grant, secret: &str| {
        let (token, client) = (&grant.refresh_token, &grant.client_id);
        let body = format!("grant_type=refresh_token&refresh_token={token}&client_id={client}{secret}");
        common::text("POST", "/token", &[common::FORM], &body)
    };
    let server = Server::start(Script { client_auth: ClientAuth::Post, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    let secret = format!("&client_secret={}", grant.client_secret.clone().unwrap());
    for (secret, status) in [("", 401), ("&client_secret=wrong", 401), (secret.as_str(), 200)] {
        assert_eq!(
            common::receive(common::send(server.address(), &post(&grant, secret))).status(),
            status,
            "{secret}"
        );
    }

    server.set(|script| script.client_auth = ClientAuth::Basic);
    let grant = server.grant(HOUR);
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 401);
    let credentials = format!("{}:{}", grant.client_id, grant.client_secret.clone().unwrap());
    let header =
        format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, credentials));
    let body = format!("grant_type=refresh_token&refresh_token={}", grant.refresh_token);
    let reply = common::request(
        server.address(),
        "POST",
        "/token",
        &[common::FORM, ("Authorization", &header)],
        &body,
    );
    assert_eq!(reply.status(), 200);
}

#[test]
fn resource_and_scope_are_demanded_or_refused_as_scripted() {
    let server = Server::start(Script { resource: ResourceRule::Refused, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    let reply = refresh(server.address(), &grant, &grant.refresh_token);
    assert!(reply.member("error_description").starts_with("AADSTS9010010"));

    server.set(|script| script.resource = ResourceRule::Required);
    let body = format!(
        "grant_type=refresh_token&refresh_token={}&client_id={}",
        grant.refresh_token, grant.client_id
    );
    let reply = common::request(server.address(), "POST", "/token", &[common::FORM], &body);
    assert_eq!(reply.member("error"), "invalid_target");

    server.set(|script| script.scope_required = true);
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).member("error"), "invalid_request");
    server.set(|script| script.scope_required = false);
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 200);
}

#[test]
fn a_refresh_token_ends_with_its_announced_life() {
    let server =
        Server::start(Script { refresh_lifetime: Some(HOUR), jwt: true, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    let reply = refresh(server.address(), &grant, &grant.refresh_token);
    assert_eq!(reply.json()["refresh_expires_in"], 3600);
    assert_eq!(reply.member("access_token").split('.').count(), 3);
    server.set(|script| script.refresh_lifetime = Some(Duration::ZERO));
    assert_eq!(refresh(server.address(), &grant, &reply.member("refresh_token")).status(), 400);
    assert_eq!(server.log().last().unwrap().outcome, Outcome::Dead);
}

#[test]
fn sites_know_nothing_of_each_others_grants() {
    let server = Server::start(Script::default()).unwrap();
    let (lab, shop) = (server.add("lab", Script::default()), server.add("shop", Script::default()));
    let grant = lab.grant(HOUR);
    assert_eq!(grant.server_url, format!("{}/lab/mcp", server.url()));
    let at = |path: &str| {
        common::receive(common::send(
            server.address(),
            &common::refresh_text(path, &grant, &grant.refresh_token),
        ))
    };
    assert_eq!(at("/shop/token").status(), 401, "the client is not registered there");
    assert_eq!(at("/token").status(), 401);
    assert_eq!(at("/lab/token").status(), 200);
    assert_eq!((lab.refreshes(), shop.refreshes(), shop.log().len(), server.log().len()), (1, 0, 1, 3));
}

#[test]
fn each_grant_may_have_its_own_lifetime() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant_with_lifetime(HOUR, Duration::from_secs(60));
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).json()["expires_in"], 60);
}

#[test]
fn what_its_holder_revokes_by_an_old_refresh_token_is_dead_as_a_whole_and_no_reuse() {
    let server = Server::start(Script { revocation: true, ..Script::default() }).unwrap();
    let (grant, other) = (server.grant(HOUR), server.grant(HOUR));
    let metadata = get(server.address(), "/.well-known/oauth-authorization-server").json();
    assert_eq!(metadata["revocation_endpoint"], format!("{}/revoke", server.url()));
    let revoke = |token: &str| {
        let form = format!("token={token}&client_id={}", grant.client_id);
        request(server.address(), "POST", "/revoke", &[FORM], &form).status()
    };
    assert_eq!(revoke(&grant.access_token), 200);
    assert!(!server.accepts(&grant.access_token));
    let next = refresh(server.address(), &grant, &grant.refresh_token);
    let (access, next) = (next.member("access_token"), next.member("refresh_token"));
    assert!(server.accepts(&access), "an access token goes alone");

    assert_eq!(revoke(&grant.refresh_token), 200);
    assert!(!server.accepts(&access));
    assert_eq!(server.state_of(&next), TokenState::Dead);
    assert_eq!(refresh(server.address(), &grant, &next).member("error"), "invalid_grant");
    assert_eq!((server.families_revoked(), server.reuses_by("")), (0, 0));

    assert_eq!(revoke("rt_unknown"), 200);
    assert_eq!(revoke(&other.refresh_token), 200, "another client's is none of its business");
    assert_eq!(server.state_of(&other.refresh_token), TokenState::Current);
    assert_eq!(request(server.address(), "POST", "/revoke", &[FORM], "token=x&client_id=y").status(), 401);
    server.set(|script| script.revocation = false);
    assert_eq!(revoke(&next), 404);
}
