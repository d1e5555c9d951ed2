//! What servers in the field demand and how they say it, each by name in the script.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Reply, receive, send};
use scripted_server::{
    ClientAuth, Grant, HttpReply, Outcome, Redirect, ResourceMetadataAt, ResourceRule, Script, Server,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn get(server: &Server, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    receive(send(server.address(), &request))
}

/// A refresh at this path, with these further parameters and headers.
fn refresh_at(server: &Server, path: &str, grant: &Grant, more: &str, headers: &str) -> Reply {
    let form = format!("grant_type=refresh_token&refresh_token={}{more}", grant.refresh_token);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n{headers}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    receive(send(server.address(), &request))
}

fn started(script: Script) -> (Server, Grant) {
    let server = Server::start(script).unwrap();
    let grant = server.grant(HOUR);
    (server, grant)
}

#[test]
fn a_redirected_token_endpoint_answers_only_with_the_slash() {
    let redirect = Redirect { status: 308, location: "/token/".to_owned() };
    let (server, grant) = started(Script { token_redirect: Some(redirect), ..Script::default() });
    let id = format!("&client_id={}", grant.client_id);
    let reply = refresh_at(&server, "/token", &grant, &id, "");
    assert_eq!((reply.status(), reply.header("location").as_deref()), (308, Some("/token/")));
    assert_eq!(refresh_at(&server, "/token/", &grant, &id, "").status(), 200);
}

#[test]
fn a_refused_resource_is_refused_in_the_dress_of_the_script() {
    let refusal = HttpReply::json(422, r#"{"detail":"resource"}"#);
    let (server, grant) = started(Script {
        resource: ResourceRule::Refused,
        resource_refusal: Some(refusal),
        ..Script::default()
    });
    let id = format!("&client_id={}", grant.client_id);
    let reply = refresh_at(&server, "/token", &grant, &format!("{id}&resource=x"), "");
    assert_eq!((reply.status(), reply.member("detail").as_str()), (422, "resource"));
    assert_eq!(server.log().pop().unwrap().outcome, Outcome::Refused);
    assert_eq!(refresh_at(&server, "/token", &grant, &id, "").status(), 200);
}

#[test]
fn a_secret_is_compared_as_it_comes_or_form_decoded() {
    let secret = Some("a+b%41".to_owned());
    for (client_auth, sent, status) in [
        (ClientAuth::BasicAsIs, "a+b%41", 200),
        (ClientAuth::BasicAsIs, "a%2Bb%2541", 401),
        (ClientAuth::Basic, "a%2Bb%2541", 200),
        (ClientAuth::Basic, "a+b%41", 401),
    ] {
        let script = Script { client_auth, client_secret: secret.clone(), ..Script::default() };
        let (server, grant) = started(script);
        let basic = STANDARD.encode(format!("{}:{sent}", grant.client_id));
        let reply = refresh_at(&server, "/token", &grant, "", &format!("Authorization: Basic {basic}\r\n"));
        assert_eq!(reply.status(), status, "{client_auth:?} {sent}");
    }
}

#[test]
fn basic_may_want_the_id_in_the_form_as_well() {
    let (server, grant) = started(Script { client_auth: ClientAuth::BasicAndId, ..Script::default() });
    let pair = format!("{}:{}", grant.client_id, grant.client_secret.as_deref().unwrap());
    let header = format!("Authorization: Basic {}\r\n", STANDARD.encode(pair));
    assert_eq!(refresh_at(&server, "/token", &grant, "", &header).status(), 401);
    let id = format!("&client_id={}", grant.client_id);
    assert_eq!(refresh_at(&server, "/token", &grant, &id, &header).status(), 200);
}

#[test]
fn either_way_is_taken_and_both_at_once_are_not() {
    let (server, grant) = started(Script { client_auth: ClientAuth::Either, ..Script::default() });
    let secret = grant.client_secret.clone().unwrap();
    let header =
        format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{}:{secret}", grant.client_id)));
    let form = format!("&client_id={}&client_secret={secret}", grant.client_id);
    let both = refresh_at(&server, "/token", &grant, &form, &header);
    assert_eq!((both.status(), both.member("error").as_str()), (400, "invalid_request"));
    assert_eq!(refresh_at(&server, "/token", &grant, &form, "").status(), 200);
}

#[test]
fn metadata_of_the_resource_is_where_the_script_says() {
    let root = "/.well-known/oauth-protected-resource";
    for (resource_metadata_at, at_root, at_path) in [
        (ResourceMetadataAt::Everywhere, 200, 200),
        (ResourceMetadataAt::Root, 200, 404),
        (ResourceMetadataAt::Path, 404, 200),
    ] {
        let (server, _) = started(Script { resource_metadata_at, ..Script::default() });
        let found = (get(&server, root).status(), get(&server, &format!("{root}/mcp")).status());
        assert_eq!(found, (at_root, at_path), "{resource_metadata_at:?}");
    }
}
