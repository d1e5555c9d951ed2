//! Servers and networks that fail.

use super::*;

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
async fn endless_metadata_is_abandoned() {
    let site = Site::start().await;
    site.page(
        AS,
        vec![
            Step::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            Step::Repeat(vec![b' '; 64 * 1024], Duration::ZERO),
        ],
    );
    assert!(transient(&site.hints()).await.0.contains("exceeds"));
    site.page(AS, vec![Step::Hang]);
    let limits = Limits { whole: Duration::from_millis(400), ..Limits::default() };
    let http = Http::new(&HttpOptions { limits, ..HttpOptions::default() }).unwrap();
    assert!(matches!(discover(&http, &site.hints()).await, Err(DiscoveryError::Transient { .. })));
}

#[tokio::test]
async fn a_metadata_redirect_is_followed_if_its_target_may_be_requested() {
    let site = Site::start().await;
    let to = |location: &str| answer(302, &format!("location: {location}\r\n"), "");
    site.page(AS, to("/moved")).metadata("/moved", &site.url(""), &site.url("/found"));
    assert_eq!(endpoint(&site.hints()).await, site.url("/found"));
    site.page(AS, to("http://a.example/meta"));
    assert!(needs_person(&site.hints()).await.contains("plain http"));
    site.page(AS, to(AS));
    assert!(needs_person(&site.hints()).await.contains("redirect loop"));
}
