//! The control endpoints, the program, TLS, and what seeds a store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use common::{get, refresh, request};
use scripted_server::{Grant, Script, Server, credentials_json, store_key};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

const HOUR: Duration = Duration::from_secs(3600);

fn control(address: SocketAddr, order: &Value) -> common::Reply {
    request(address, "POST", "/_control", &[], &order.to_string())
}

#[test]
fn everything_can_be_driven_over_http() {
    let server = Server::start(Script::default()).unwrap();
    let order = json!({
        "site": "lab",
        "set": {"lifetime_s": 60, "reuse": {"revoke": {"grace_s": 10}}, "old_access_dies": true},
        "next": [{"before_s": 0.01, "delivery": {"cut_body": {"bytes": 3}}}, {"spends": false, "reply": {"status": 503, "retry_after": {"seconds": 5}}}],
        "grant": {"name": "lab", "left_s": 360}
    });
    let reply = control(server.address(), &order).json();
    let refresh_token = reply["entry"]["refreshToken"].as_str().unwrap();
    assert_eq!(reply["mcp_url"], format!("{}/lab/mcp", server.url()));
    assert_eq!(reply["key"], store_key("lab", reply["mcp_url"].as_str().unwrap()));

    let body = format!(
        "grant_type=refresh_token&refresh_token={refresh_token}&client_id={}",
        reply["entry"]["clientId"].as_str().unwrap()
    );
    let post = || request(server.address(), "POST", "/lab/token", &[common::FORM], &body);
    assert_eq!(post().body().len(), 3);
    assert_eq!(post().header("retry-after").unwrap(), "5");
    assert_eq!(post().json()["expires_in"], 60, "within the grace");

    let state = control(server.address(), &json!({"site": "lab", "state_of": refresh_token})).member("state");
    assert_eq!(state, "spent");
    let counts = get(server.address(), "/_counts?user_agent=test").json();
    assert_eq!(
        (&counts["token_requests"], &counts["refreshes"], &counts["reuses"]),
        (&json!(3), &json!(1), &json!(0))
    );
    let log = get(server.address(), "/_log?since=1").json();
    assert_eq!(
        (&log[0]["site"], &log[0]["kind"], &log[0]["outcome"]),
        (&json!("lab"), &json!("token"), &json!("fresh"))
    );
    assert_eq!(
        control(server.address(), &json!({"site": "lab", "kill": refresh_token})).json()["killed"],
        true
    );
}

#[test]
fn a_wrong_order_is_refused_by_name() {
    let server = Server::start(Script::default()).unwrap();
    for (order, named) in [
        (json!({"sett": {}}), "sett"),
        (json!({"set": {"lifetime": 60}}), "lifetime"),
        (json!({"set": {"lifetime_s": -1}}), "negative"),
        (json!({"next": [{"delivery": "slowly"}]}), "slowly"),
    ] {
        let reply = control(server.address(), &order);
        assert_eq!(reply.status(), 400);
        assert!(reply.member("error_description").contains(named), "{}", reply.text());
    }
}

#[test]
fn a_script_survives_json() {
    let mut script = Script { early_refusal: None, refresh_lifetime: Some(HOUR), ..Script::default() };
    script.next.push_back(scripted_server::Answer::status(429).retry_after_date(HOUR).before(HOUR));
    script.next.push_back(scripted_server::Answer::redirect("http://example.invalid/").spending());
    let text = serde_json::to_string(&script).unwrap();
    assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
}

#[test]
fn an_entry_looks_as_claude_code_writes_it() {
    let grant = Grant {
        server_url: "http://127.0.0.1:9000/mcp".to_owned(),
        issuer: "http://127.0.0.1:9000".to_owned(),
        client_id: "cl_1".to_owned(),
        client_secret: None,
        access_token: "at_1".to_owned(),
        refresh_token: "rt_1".to_owned(),
        expires_at_ms: 1_795_381_774_631,
        scope: "mcp offline_access".to_owned(),
    };
    assert_eq!(
        grant.entry_json("lab"),
        concat!(
            r#"{"serverName":"lab","serverUrl":"http://127.0.0.1:9000/mcp","accessToken":"at_1","#,
            r#""discoveryState":{"authorizationServerUrl":"http://127.0.0.1:9000","oauthMetadataFound":true,"authServerMetadataUrl":null},"#,
            r#""clientId":"cl_1","issuer":"http://127.0.0.1:9000","redirectUri":"http://localhost:52363/callback","#,
            r#""refreshToken":"rt_1","expiresAt":1795381774631,"scope":"mcp offline_access"}"#
        )
    );
    assert_eq!(grant.key("lab"), "lab|6f671eeac57e3e15");
    let with_secret = Grant { client_secret: Some("cs_1".to_owned()), ..grant };
    let document: Value = serde_json::from_str(&credentials_json([("lab", &with_secret)])).unwrap();
    assert_eq!(document["mcpOAuthClientConfig"]["lab|6f671eeac57e3e15"]["clientSecret"], "cs_1");
    assert_eq!(document["mcpOAuth"]["lab|6f671eeac57e3e15"]["clientSecret"], "cs_1");
}

#[test]
fn over_tls_it_is_trusted_with_its_authority_and_not_without() {
    let server = Server::start_tls(Script::default()).unwrap();
    assert!(server.url().starts_with("https://localhost:"));
    let connect = |roots: RootCertStore| {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection =
            ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        stream
            .write_all(common::text("GET", "/.well-known/oauth-authorization-server", &[], "").as_bytes())?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).map(|_| common::Reply { raw, end: Ok(()) })
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    assert_eq!(connect(roots).unwrap().member("issuer"), server.url());
    assert!(connect(RootCertStore::empty()).is_err());
}

/// The program, killed when the test is over however it ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_program_says_where_it_is_and_then_what_happens() {
    let mut program = Program(
        Command::new(env!("CARGO_BIN_EXE_scripted-server"))
            .args(["--script", r#"{"lifetime_s":60}"#, "--site", "lab", "--site", r#"shop={"jwt":true}"#])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut line = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let place = line();
    let address: SocketAddr =
        place["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    assert_eq!(place["sites"]["shop"], format!("http://{address}/shop/mcp"));
    let entry = control(address, &json!({"grant": {"name": "lab", "left_s": 1}})).json()["entry"].clone();
    assert_eq!(line()["path"], "/_control");
    let grant = Grant {
        server_url: place["mcp_url"].as_str().unwrap().to_owned(),
        issuer: String::new(),
        client_id: entry["clientId"].as_str().unwrap().to_owned(),
        client_secret: None,
        access_token: String::new(),
        refresh_token: entry["refreshToken"].as_str().unwrap().to_owned(),
        expires_at_ms: 0,
        scope: String::new(),
    };
    assert_eq!(refresh(address, &grant, &grant.refresh_token).json()["expires_in"], 60);
    let logged = line();
    assert_eq!(
        (&logged["outcome"], &logged["status"], &logged["user_agent"]),
        (&json!("fresh"), &json!(200), &json!("test/1"))
    );
}

#[test]
fn the_program_refuses_an_unknown_member_of_a_script() {
    let output = Command::new(env!("CARGO_BIN_EXE_scripted-server"))
        .args(["--script", r#"{"lifetme_s":60}"#])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("lifetme_s"));
}

#[tokio::test]
async fn a_task_can_wait_for_a_request_without_blocking_its_thread() {
    let server = Server::start(Script::default()).unwrap();
    let address = server.address();
    let client = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /here HTTP/1.1\r\n\r\n").await.unwrap();
    });
    let seen = server.reached(|log| log.iter().any(|entry| entry.path == "/here"));
    tokio::time::timeout(Duration::from_secs(5), seen).await.unwrap();
    client.await.unwrap();
}
