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
async fn the_configured_metadata_url_comes_first() {
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
async fn a_configured_metadata_url_that_is_gone_does_not_end_the_search() {
    let site = Site::start().await;
    site.metadata(AS, &site.url(""), &site.url("/root"));
    let hints = ServerHints { auth_server_metadata_url: Some(site.url("/gone")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.url("/root"));
}

#[tokio::test]
async fn the_stores_hints_come_before_the_server_is_asked() {
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
async fn the_resource_names_its_authorization_server() {
    for path in [format!("{RESOURCE}/v1/mcp"), RESOURCE.to_owned(), "/hinted".to_owned()] {
        let site = Site::start().await;
        site.resource(&path, &site.url("/v1/mcp"), &[site.other("/as")]).metadata(
            &format!("{AS}/as"),
            &site.other("/as"),
            &site.other("/as/token"),
        );
        let hint = (path == "/hinted").then(|| site.url("/hinted"));
        let hints = ServerHints { resource_metadata_url: hint, ..site.hints() };
        assert_eq!(endpoint(&hints).await, site.other("/as/token"), "{path}");
    }
}

#[tokio::test]
async fn metadata_of_another_resource_is_not_this_ones() {
    let site = Site::start().await;
    site.resource(RESOURCE, "https://elsewhere.example/mcp", &[site.other("/as")])
        .metadata(&format!("{AS}/as"), &site.other("/as"), &site.other("/as/token"))
        .metadata(AS, &site.url("/"), &site.url("/own/token"));
    assert_eq!(endpoint(&site.hints()).await, site.url("/own/token"));
}

#[tokio::test]
async fn without_any_metadata_the_convention_holds_at_the_authorization_servers_origin() {
    let site = Site::start().await;
    let metadata = found(&site.hints()).await;
    assert_eq!(metadata.token_endpoint.as_str(), site.url("/token"));
    assert_eq!((metadata.issuer, metadata.auth_methods), (None, vec![]));
    let hints = ServerHints { authorization_server_url: Some(site.other("/t1")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.other("/token"));
}

#[tokio::test]
async fn an_issuer_that_was_not_asked_for_is_not_believed() {
    let site = Site::start().await;
    site.metadata(AS, "https://victim.example", &site.url("/steal"));
    let why = needs_person(&site.hints()).await;
    assert!(why.contains("https://victim.example") && why.contains(&site.url("/")), "{why}");
    site.metadata(AS, &format!("https://victim.example/\u{1b}{}", "x".repeat(100_000)), &site.url("/steal"));
    let why = needs_person(&site.hints()).await;
    assert!(why.len() < 1000 && !why.contains('\u{1b}'), "{why}");
}

#[tokio::test]
async fn an_entrys_own_issuer_must_match() {
    let site = Site::start().await;
    // The server now names another authorization server than the one the grant is from.
    site.resource(RESOURCE, &site.url("/v1/mcp"), &[site.other("")]).metadata(
        AS,
        &site.other(""),
        &site.other("/steal"),
    );
    let hints = ServerHints { issuer: Some(site.url("/old")), ..site.hints() };
    let why = needs_person(&hints).await;
    assert!(why.contains("log in"), "{why}");
    // The same holds for a metadata URL that was configured.
    site.metadata("/meta", &site.other(""), &site.other("/steal"));
    let hints = ServerHints { auth_server_metadata_url: Some(site.url("/meta")), ..hints };
    needs_person(&hints).await;
}

#[tokio::test]
async fn an_issuer_may_be_served_where_the_store_says_so_and_nowhere_else() {
    let site = Site::start().await;
    let issuer = site.url("/real");
    site.metadata(&format!("{AS}/proxy"), &issuer, &site.url("/token-of-real"));
    let by_store = ServerHints {
        authorization_server_url: Some(site.other("/proxy")),
        issuer: Some(issuer.clone()),
        ..site.hints()
    };
    assert_eq!(endpoint(&by_store).await, site.url("/token-of-real"));
    // Named by the server only, the same answer is a claim.
    site.resource(RESOURCE, &site.url("/v1/mcp"), &[site.other("/proxy")]);
    needs_person(&ServerHints { issuer: Some(issuer), ..site.hints() }).await;
}

#[tokio::test]
async fn a_slash_at_the_end_is_no_mismatch() {
    let site = Site::start().await;
    site.metadata(AS, &site.url("/"), &site.url("/found"));
    let hints = ServerHints { issuer: Some(site.url("")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.url("/found"));
}

#[tokio::test]
async fn a_token_endpoint_that_may_not_be_asked_needs_a_person() {
    let site = Site::start().await;
    for endpoint in
        ["http://a.example/token", "https://u:p@a.example/token", "ftp://a.example/", "/token", ""]
    {
        site.metadata(AS, &site.url(""), endpoint);
        needs_person(&site.hints()).await;
    }
    site.page(AS, json(200, &serde_json::json!({ "issuer": site.url("") }).to_string()));
    assert!(needs_person(&site.hints()).await.contains("has no token_endpoint"));
    site.metadata(AS, &site.url(""), &format!("https://a.example/{}", "x".repeat(3000)));
    assert!(needs_person(&site.hints()).await.len() < 1000);
    site.metadata(AS, &site.url(""), "https://a.example/token#x");
    assert_eq!(endpoint(&site.hints()).await, "https://a.example/token");
}

#[tokio::test]
async fn a_hint_that_may_not_be_asked_needs_a_person() {
    let site = Site::start().await;
    let bad = || Some("http://a.example/x".to_owned());
    for hints in [
        ServerHints { auth_server_metadata_url: bad(), ..site.hints() },
        ServerHints { authorization_server_url: bad(), ..site.hints() },
        ServerHints { issuer: bad(), ..site.hints() },
        ServerHints { resource_metadata_url: bad(), ..site.hints() },
        ServerHints { server_url: "http://a.example/mcp".to_owned(), ..ServerHints::default() },
        ServerHints { server_url: "https://user:hunter2@a.example/mcp".to_owned(), ..ServerHints::default() },
        ServerHints { server_url: "not a url".to_owned(), ..ServerHints::default() },
        // A server elsewhere cannot send us to this machine.
        ServerHints {
            server_url: "https://a.example/mcp".to_owned(),
            issuer: Some(site.url("")),
            ..ServerHints::default()
        },
    ] {
        let why = needs_person(&hints).await;
        assert!(!why.contains("hunter2"), "{why}");
    }
    assert_eq!(site.server.connections(), 0);
}

#[tokio::test]
async fn an_outage_is_no_reason_to_guess() {
    let site = Site::start().await;
    site.page(AS, answer(503, "retry-after: 30\r\n", ""));
    let (why, retry_after) = transient(&site.hints()).await;
    assert!(why.contains("503") && why.contains(AS), "{why}");
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
    // A login page of the network.
    site.page(AS, answer(200, "content-type: text/html\r\n", "<html>"));
    assert!(transient(&site.hints()).await.0.contains("web page"));
    // What the outage does not touch still counts.
    site.metadata(OIDC, &site.url(""), &site.url("/found"));
    assert_eq!(endpoint(&site.hints()).await, site.url("/found"));
}

#[tokio::test]
async fn a_network_that_fails_ends_the_search() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let site = Site::start().await;
    let hints = ServerHints { issuer: Some(closed), ..site.hints() };
    assert!(transient(&hints).await.0.contains("refused"));
    assert_eq!(site.server.connections(), 0);
}

#[tokio::test]
async fn metadata_without_an_end_is_given_up() {
    let site = Site::start().await;
    site.page(
        AS,
        vec![
            Step::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            Step::Repeat(vec![b' '; 64 * 1024], Duration::ZERO),
        ],
    );
    assert!(transient(&site.hints()).await.0.contains("bigger"));
    site.page(AS, vec![Step::Hang]);
    let limits = Limits { whole: Duration::from_millis(400), ..Limits::default() };
    let http = Http::new(&HttpOptions { limits, ..HttpOptions::default() }).unwrap();
    assert!(matches!(discover(&http, &site.hints()).await, Err(DiscoveryError::Transient { .. })));
}

#[tokio::test]
async fn a_redirect_of_metadata_is_followed_where_it_could_have_been_asked_itself() {
    let site = Site::start().await;
    let to = |location: &str| answer(302, &format!("location: {location}\r\n"), "");
    site.page(AS, to("/moved")).metadata("/moved", &site.url(""), &site.url("/found"));
    assert_eq!(endpoint(&site.hints()).await, site.url("/found"));
    site.page(AS, to("http://a.example/meta"));
    assert!(needs_person(&site.hints()).await.contains("plain http"));
    site.page(AS, to(AS));
    assert!(needs_person(&site.hints()).await.contains("circle"));
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
async fn no_secret_goes_out_with_a_search() {
    let site = Site::start().await;
    found(&site.hints()).await;
    for seen in site.server.requests() {
        assert_eq!((seen.method.as_str(), seen.body.as_str()), ("GET", ""));
        assert!(!seen.head.to_lowercase().contains("authorization:"), "{}", seen.head);
    }
}

#[tokio::test]
async fn servers_of_one_issuer_that_look_at_the_same_time_ask_it_once() {
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
async fn the_resource_is_the_one_that_the_login_sent() {
    for (named, expected) in [
        ("/v1/mcp", Some("/v1/mcp")),
        ("/v1", Some("/v1")),
        ("", Some("/")),
        // The client would not send these for this server.
        ("/v1/mc", None),
        ("/v2", None),
    ] {
        let site = Site::start().await;
        site.metadata(AS, &site.url(""), &site.url("/token"));
        site.resource(&format!("{RESOURCE}/v1/mcp"), &site.url(named), &[site.url("")]);
        let hints = ServerHints { issuer: Some(site.url("")), ..site.hints() };
        let metadata = found(&hints).await;
        assert_eq!(metadata.resource, expected.map(|path| site.url(path)), "{named}");
        let sent = token_endpoint::resource_of(&metadata, &hints.server_url);
        assert_eq!(sent, site.url(expected.unwrap_or("/v1/mcp")), "{named}");
    }
    let site = Site::start().await;
    site.resource(RESOURCE, "https://elsewhere.example/v1/mcp", &[]);
    assert_eq!(found(&site.hints()).await.resource, None);
}

#[tokio::test]
async fn a_bare_host_is_sent_as_the_client_writes_it() {
    let site = Site::start().await;
    let metadata = found(&site.hints()).await;
    assert_eq!(token_endpoint::resource_of(&metadata, "https://m.example"), "https://m.example/");
    assert_eq!(
        token_endpoint::resource_of(&metadata, "https://M.example:443/a b#x"),
        "https://m.example/a%20b"
    );
}

#[tokio::test]
async fn where_the_resource_is_known_to_have_a_name_an_outage_is_no_reason_to_send_another() {
    let site = Site::start().await;
    site.metadata(AS, &site.url(""), &site.url("/token"));
    site.page("/prm", answer(503, "", ""));
    let hints = ServerHints {
        issuer: Some(site.url("")),
        resource_metadata_url: Some(site.url("/prm")),
        ..site.hints()
    };
    assert!(transient(&hints).await.0.contains("/prm"));
    let without = ServerHints { resource_metadata_url: None, ..hints };
    site.page(&format!("{RESOURCE}/v1/mcp"), answer(503, "", ""));
    assert_eq!(endpoint(&without).await, site.url("/token"), "nobody knows of one");
}

#[tokio::test]
async fn where_an_issuer_with_a_path_has_metadata_at_the_root_only_the_clients_convention_holds() {
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
async fn where_the_client_found_no_metadata_its_convention_holds() {
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

#[tokio::test]
async fn an_old_entry_without_an_issuer_believes_the_place_where_its_login_was() {
    let site = Site::start().await;
    site.metadata(AS, &site.other("/real"), &site.url("/token"));
    let hints = ServerHints { authorization_server_url: Some(site.url("/")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.url("/token"));
    // A place that only the server names may not speak for another issuer.
    needs_person(&site.hints()).await;
}
