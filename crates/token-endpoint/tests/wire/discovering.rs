mod connections;
mod outages;
mod resource;
mod trust;

use crate::server::{Seen, Server, Step, answer, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use token_endpoint::{DiscoveryError, Http, HttpOptions, Limits, Metadata, ServerHints, discover};

/// A server whose paths are set after its port is known.
struct Site {
    server: Server,
    pages: Arc<Mutex<HashMap<String, Vec<Step>>>>,
}

impl Site {
    async fn start() -> Self {
        let pages: Arc<Mutex<HashMap<String, Vec<Step>>>> = Arc::default();
        let shared = Arc::clone(&pages);
        let script = move |seen: &Seen| {
            shared.lock().unwrap().get(&seen.path).cloned().unwrap_or_else(|| answer(404, "", "nothing here"))
        };
        Self { server: Server::start(script).await, pages }
    }

    fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// The same server under another name: another origin.
    fn other(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.server.port)
    }

    fn page(&self, path: &str, steps: Vec<Step>) -> &Self {
        self.pages.lock().unwrap().insert(path.to_owned(), steps);
        self
    }

    fn page_at(&self, path: &str) -> Vec<Step> {
        self.pages.lock().unwrap()[path].clone()
    }

    fn metadata(&self, path: &str, issuer: &str, endpoint: &str) -> &Self {
        let body = serde_json::json!({
            "issuer": issuer,
            "token_endpoint": endpoint,
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
            "unknown": { "deep": [1e300, null] },
        });
        self.page(path, json(200, &body.to_string()))
    }

    fn resource(&self, path: &str, resource: &str, servers: &[String]) -> &Self {
        let body = serde_json::json!({ "resource": resource, "authorization_servers": servers });
        self.page(path, json(200, &body.to_string()))
    }

    fn hints(&self) -> ServerHints {
        ServerHints { server_url: self.url("/v1/mcp"), ..ServerHints::default() }
    }
}

fn http() -> Http {
    Http::new(&HttpOptions { proxy: Some(String::new()), ..HttpOptions::default() }).unwrap()
}

async fn found(hints: &ServerHints) -> Metadata {
    discover(&http(), hints).await.unwrap()
}

async fn endpoint(hints: &ServerHints) -> String {
    found(hints).await.token_endpoint.to_string()
}

async fn needs_person(hints: &ServerHints) -> String {
    match discover(&http(), hints).await {
        Err(DiscoveryError::NeedsPerson { why }) => why,
        other => panic!("{other:?}"),
    }
}

async fn transient(hints: &ServerHints) -> (String, Option<Duration>) {
    match discover(&http(), hints).await {
        Err(DiscoveryError::Transient { why, retry_after }) => (why, retry_after),
        other => panic!("{other:?}"),
    }
}

const AS: &str = "/.well-known/oauth-authorization-server";

const OIDC: &str = "/.well-known/openid-configuration";

const RESOURCE: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn the_configured_metadata_url_takes_precedence() {
    let site = Site::start().await;
    site.metadata("/meta", &site.url("/as"), &site.url("/configured")).metadata(
        AS,
        &site.url(""),
        &site.url("/root"),
    );
    let hints = ServerHints { auth_server_metadata_url: Some(site.url("/meta")), ..site.hints() };
    let metadata = found(&hints).await;
    assert_eq!(metadata.token_endpoint.as_str(), site.url("/configured"));
    assert_eq!(metadata.issuer, Some(site.url("/as")));
    assert_eq!(metadata.auth_methods, ["none", "client_secret_post"]);
    assert_eq!(metadata.source, site.url("/meta"));
    assert_eq!(site.server.paths()[0], "/meta");
    assert!(
        site.server.paths()[1..].iter().all(|path| path.starts_with(RESOURCE)),
        "no other issuer is asked"
    );

    let written = serde_json::to_string(&metadata).unwrap();
    assert_eq!(serde_json::from_str::<Metadata>(&written).unwrap(), metadata);
}

#[tokio::test]
async fn a_missing_configured_metadata_url_does_not_end_the_search() {
    let site = Site::start().await;
    site.metadata(AS, &site.url(""), &site.url("/root"));
    let hints = ServerHints { auth_server_metadata_url: Some(site.url("/gone")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.url("/root"));
}

#[tokio::test]
async fn the_stores_hints_take_precedence_over_the_server() {
    let site = Site::start().await;
    site.metadata(&format!("{AS}/t1"), &site.url("/t1"), &site.url("/t1/token"));
    let hints = ServerHints {
        authorization_server_url: Some(site.url("/t1/")),
        issuer: Some(site.url("/t1")),
        ..site.hints()
    };
    assert_eq!(endpoint(&hints).await, site.url("/t1/token"));
    assert_eq!(site.server.paths()[0], format!("{AS}/t1"));
    assert!(site.server.paths()[1..].iter().all(|path| path.starts_with(RESOURCE)));
}

#[tokio::test]
async fn each_form_of_metadata_is_tried() {
    for path in [format!("{AS}/t1"), format!("{OIDC}/t1"), format!("/t1{OIDC}")] {
        let site = Site::start().await;
        site.metadata(&path, &site.url("/t1"), &site.url("/found"));
        let hints = ServerHints { issuer: Some(site.url("/t1")), ..site.hints() };
        assert_eq!(endpoint(&hints).await, site.url("/found"), "{path}");
    }
}

#[tokio::test]
async fn without_metadata_the_convention_applies_at_the_authorization_servers_origin() {
    let site = Site::start().await;
    let metadata = found(&site.hints()).await;
    assert_eq!(metadata.token_endpoint.as_str(), site.url("/token"));
    assert_eq!((metadata.issuer, metadata.auth_methods), (None, vec![]));
    let hints = ServerHints { authorization_server_url: Some(site.other("/t1")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.other("/token"));
}

#[tokio::test]
async fn members_of_wrong_types_count_as_absent() {
    let site = Site::start().await;
    let body = serde_json::json!({
        "issuer": site.url(""), "token_endpoint": site.url("/found"), "token_endpoint_auth_methods_supported": "none",
        "authorization_servers": 7, "resource": [],
    });
    site.page(AS, json(200, &body.to_string()));
    let metadata = found(&site.hints()).await;
    assert_eq!(metadata.token_endpoint.as_str(), site.url("/found"));
    assert!(metadata.auth_methods.is_empty());
}

#[tokio::test]
async fn concurrent_lookups_of_one_issuer_send_one_request() {
    let site = Site::start().await;
    site.metadata("/.well-known/oauth-authorization-server", &site.url(""), &site.url("/token"));
    let http = http();
    let hints = |number: usize| ServerHints {
        server_url: site.url(&format!("/{number}/mcp")),
        issuer: Some(site.url("")),
        ..ServerHints::default()
    };
    let hints: Vec<_> = (0..3).map(hints).collect();
    let (one, other, third) =
        tokio::join!(discover(&http, &hints[0]), discover(&http, &hints[1]), discover(&http, &hints[2]));
    assert!(
        [one, other, third]
            .iter()
            .all(|found| found.as_ref().is_ok_and(|found| found.token_endpoint.path() == "/token"))
    );
    let issuer = site.server.paths().into_iter().filter(|path| path == AS);
    assert_eq!(issuer.count(), 1);
}

#[tokio::test]
async fn root_metadata_is_not_used_for_an_issuer_with_a_path() {
    let site = Site::start().await;
    site.metadata(AS, &site.url("/t1"), &site.url("/t1/token"));
    let hints = ServerHints { issuer: Some(site.url("/t1")), ..site.hints() };
    // Neither the client nor we look there (measured: mcp 2.3.0 names an endpoint there that does not exist).
    assert_eq!(endpoint(&hints).await, site.url("/token"));
    // The root of another issuer is nothing to complain of, and nothing to believe.
    site.metadata(AS, &site.other("/t2"), &site.url("/steal"));
    let hints = ServerHints { authorization_server_url: Some(site.url("/t1/")), ..hints };
    assert_eq!(endpoint(&hints).await, site.url("/token"));
}

#[tokio::test]
async fn if_the_client_found_no_metadata_its_convention_applies() {
    let site = Site::start().await;
    // An application that answers every path with its page.
    for path in [AS, OIDC] {
        site.page(path, answer(200, "content-type: text/html\r\n", "<html>"));
    }
    let hints = ServerHints {
        authorization_server_url: Some(site.url("")),
        metadata_found: Some(false),
        ..site.hints()
    };
    assert_eq!(endpoint(&hints).await, site.url("/token"));
    transient(&ServerHints { metadata_found: None, ..hints.clone() }).await;
    // Metadata that is published since counts.
    site.metadata(AS, &site.url(""), &site.url("/found"));
    assert_eq!(endpoint(&hints).await, site.url("/found"));
}
