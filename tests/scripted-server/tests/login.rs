//! A whole login, metadata and the MCP endpoint: what a real client needs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{FORM, PING, call, get, request};
use scripted_server::{Discovery, Outcome, Script, Server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

const VERIFIER: &str = "a-made-up-code-verifier-of-at-least-43-characters";

/// Registers a client and has a code issued to it.
fn code(server: &Server) -> (String, String) {
    let json = ("Content-Type", "application/json");
    let reply = request(
        server.address(),
        "POST",
        "/register",
        &[json],
        r#"{"client_name":"test","redirect_uris":["http://localhost/cb"]}"#,
    );
    assert_eq!((reply.status(), reply.json()["client_name"].as_str()), (201, Some("test")));
    let client_id = reply.member("client_id");
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let path = format!(
        "/authorize?response_type=code&client_id={client_id}&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&state=s1&code_challenge={challenge}&code_challenge_method=S256"
    );
    let reply = get(server.address(), &path);
    assert_eq!(reply.status(), 302);
    let location = url::Url::parse(&reply.header("location").unwrap()).unwrap();
    let parameter = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!((parameter("state").as_str(), parameter("iss")), ("s1", server.url()));
    (client_id, parameter("code"))
}

fn exchange(server: &Server, client_id: &str, code: &str, verifier: &str) -> common::Reply {
    let body = format!(
        "grant_type=authorization_code&code={code}&client_id={client_id}&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&code_verifier={verifier}"
    );
    request(server.address(), "POST", "/token", &[FORM], &body)
}

#[test]
fn a_login_ends_with_a_pair_that_works() {
    let server = Server::start(Script::default()).unwrap();
    let (client_id, code) = code(&server);
    let reply = exchange(&server, &client_id, &code, VERIFIER);
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(call(server.address(), &reply.member("access_token"), PING).status(), 200);
    assert_eq!(server.log().iter().filter(|entry| entry.outcome == Outcome::Exchanged).count(), 1);
    assert_eq!(
        exchange(&server, &client_id, &code, VERIFIER).member("error"),
        "invalid_grant",
        "a code works once"
    );
}

#[test]
fn a_wrong_verifier_gets_nothing() {
    let server = Server::start(Script::default()).unwrap();
    let (client_id, code) = code(&server);
    assert_eq!(exchange(&server, &client_id, &code, "another").member("error"), "invalid_grant");
}

#[test]
fn the_faults_of_the_script_leave_a_login_alone() {
    let answer = scripted_server::Answer::status(503);
    let server = Server::start(Script { answer, ..Script::default() }).unwrap();
    let (client_id, code) = code(&server);
    assert_eq!(exchange(&server, &client_id, &code, VERIFIER).status(), 200);
}

#[test]
fn metadata_is_found_where_the_script_puts_it_and_nowhere_else() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let places = [
        (Discovery::OAuth, "/.well-known/oauth-authorization-server/lab"),
        (Discovery::OAuthAppended, "/lab/.well-known/oauth-authorization-server"),
        (Discovery::OpenIdInserted, "/.well-known/openid-configuration/lab"),
        (Discovery::OpenIdAppended, "/lab/.well-known/openid-configuration"),
        (Discovery::Absent, "/none"),
    ];
    for (discovery, right) in places {
        lab.set(|script| script.discovery = discovery);
        for (_, place) in places {
            let reply = get(server.address(), place);
            assert_eq!(
                reply.status(),
                if place == right && discovery != Discovery::Absent { 200 } else { 404 },
                "{discovery:?} {place}"
            );
            if reply.status() == 200 {
                assert_eq!(reply.member("issuer"), lab.url());
                assert_eq!(reply.member("token_endpoint"), lab.token_url());
            }
        }
    }
    for (discovery, place) in [
        (Discovery::OAuth, "/.well-known/oauth-authorization-server"),
        (Discovery::OpenIdAppended, "/.well-known/openid-configuration"),
        (Discovery::OpenIdInserted, "/.well-known/openid-configuration"),
    ] {
        server.set(|script| script.discovery = discovery);
        assert_eq!(get(server.address(), place).member("issuer"), server.url());
    }
}

#[test]
fn metadata_lies_where_it_is_told_to() {
    let script = Script {
        issuer: Some("https://elsewhere.example".to_owned()),
        token_endpoint: Some("http://elsewhere.example/token".to_owned()),
        resource_metadata: false,
        ..Script::default()
    };
    let server = Server::start(script).unwrap();
    let document = get(server.address(), "/.well-known/oauth-authorization-server").json();
    assert_eq!(document["issuer"], "https://elsewhere.example");
    assert_eq!(document["token_endpoint"], "http://elsewhere.example/token");
    assert_eq!(get(server.address(), "/.well-known/oauth-protected-resource/mcp").status(), 404);
}

#[test]
fn a_401_names_the_resource_metadata_and_that_names_the_authorization_server() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    for (site, path) in [(&*server, "/mcp"), (&lab, "/lab/mcp")] {
        let reply = request(server.address(), "POST", path, &[], PING);
        assert_eq!(reply.status(), 401);
        let challenge = reply.header("www-authenticate").unwrap();
        let url = challenge.split('"').nth(1).unwrap().to_owned();
        let document = get(server.address(), url.strip_prefix(&server.url()).unwrap()).json();
        assert_eq!(document["resource"], site.mcp_url());
        assert_eq!(document["authorization_servers"], json!([site.url()]));
    }
}

#[test]
fn the_mcp_server_speaks_just_enough_of_the_protocol() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(Duration::from_secs(3600));
    let ask = |message: Value| call(server.address(), &grant.access_token, &message.to_string());
    let reply = ask(
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}}),
    );
    assert_eq!(reply.json()["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(ask(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).status(), 202);
    assert_eq!(
        ask(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).json()["result"]["tools"][0]["name"],
        "echo"
    );
    let echo = json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "hello"}}});
    let reply = ask(echo).json();
    assert_eq!((&reply["id"], &reply["result"]["content"][0]["text"]), (&json!("a"), &json!("hello")));
    assert_eq!(
        ask(json!({"jsonrpc": "2.0", "id": 2, "method": "resources/list"})).json()["error"]["code"],
        -32601
    );
    let bearer = format!("Bearer {}", grant.access_token);
    assert_eq!(request(server.address(), "GET", "/mcp", &[("Authorization", &bearer)], "").status(), 405);
    assert!(server.log().iter().all(|entry| entry.bearer() == Some(&grant.access_token)));
}

#[test]
fn an_expired_access_token_is_refused() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(Duration::ZERO);
    let reply = call(server.address(), &grant.access_token, PING);
    assert_eq!(reply.status(), 401);
    assert!(reply.header("www-authenticate").unwrap().contains("invalid_token"));
    assert_eq!(server.log()[0].detail, "the access token has expired");
}

#[test]
fn two_requests_on_one_connection_are_logged_as_such() {
    let server = Server::start(Script::default()).unwrap();
    let one = "GET /_counts HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let two = format!("{one}{}", common::text("GET", "/_counts", &[], ""));
    let reply = common::receive(common::send(server.address(), &two));
    assert_eq!(reply.text().matches("HTTP/1.1 200").count(), 2);
    get(server.address(), "/_counts");
    assert_eq!(server.log().iter().map(|entry| entry.connection).collect::<Vec<_>>(), [0, 0, 1]);
}
