//! Which metadata is trusted, and which URLs may be requested.

use super::*;

#[tokio::test]
async fn metadata_of_another_issuer_is_rejected() {
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
async fn an_issuers_metadata_may_be_elsewhere_only_if_the_store_says_so() {
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
async fn a_trailing_slash_is_no_mismatch() {
    let site = Site::start().await;
    site.metadata(AS, &site.url("/"), &site.url("/found"));
    let hints = ServerHints { issuer: Some(site.url("")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.url("/found"));
}

#[tokio::test]
async fn a_forbidden_token_endpoint_needs_a_person() {
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
async fn a_forbidden_hint_needs_a_person() {
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
async fn no_secret_goes_out_with_a_search() {
    let site = Site::start().await;
    found(&site.hints()).await;
    for seen in site.server.requests() {
        assert_eq!((seen.method.as_str(), seen.body.as_str()), ("GET", ""));
        assert!(!seen.head.to_lowercase().contains("authorization:"), "{}", seen.head);
    }
}

#[tokio::test]
async fn an_old_entry_without_an_issuer_trusts_the_place_of_its_login() {
    let site = Site::start().await;
    site.metadata(AS, &site.other("/real"), &site.url("/token"));
    let hints = ServerHints { authorization_server_url: Some(site.url("/")), ..site.hints() };
    assert_eq!(endpoint(&hints).await, site.url("/token"));
    // A place that only the server names may not speak for another issuer.
    needs_person(&site.hints()).await;
}
