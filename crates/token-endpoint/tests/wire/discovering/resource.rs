//! The `resource` that a refresh sends.

use super::*;

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
async fn metadata_of_another_resource_is_ignored() {
    let site = Site::start().await;
    site.resource(RESOURCE, "https://elsewhere.example/mcp", &[site.other("/as")])
        .metadata(&format!("{AS}/as"), &site.other("/as"), &site.other("/as/token"))
        .metadata(AS, &site.url("/"), &site.url("/own/token"));
    assert_eq!(endpoint(&site.hints()).await, site.url("/own/token"));
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
async fn an_outage_does_not_change_the_resource_sent() {
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
