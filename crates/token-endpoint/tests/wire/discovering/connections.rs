//! The connections of a search.

use super::*;

/// The answer, its last byte a moment later. Then the server waits for another request.
fn kept(steps: Vec<Step>) -> Vec<Step> {
    let [Step::Send(bytes)] = &steps[..] else { panic!("not a whole answer") };
    let (most, last) = bytes.split_at(bytes.len() - 1);
    let later = Step::Pause(Duration::from_millis(20));
    vec![Step::Send(most.to_vec()), later, Step::Send(last.to_vec()), Step::Keep]
}

/// A server with both kinds of metadata that keeps its connections.
async fn keeping() -> Site {
    let site = Site::start().await;
    let issuer = serde_json::json!({ "issuer": site.url(""), "token_endpoint": site.url("/token") });
    let resource =
        serde_json::json!({ "resource": site.url("/v1/mcp"), "authorization_servers": [site.url("")] });
    site.page(AS, kept(json(200, &issuer.to_string())));
    site.page(&format!("{RESOURCE}/v1/mcp"), kept(json(200, &resource.to_string())));
    site.page("/token", kept(json(200, "{}")));
    site
}

#[tokio::test]
async fn a_search_asks_a_server_on_one_connection_and_ends_it() {
    let site = keeping().await;
    let http = http();
    let metadata = discover(&http, &site.hints()).await.unwrap();
    assert_eq!(metadata.token_endpoint.as_str(), site.url("/token"));
    assert_eq!(metadata.resource, Some(site.url("/v1/mcp")));
    assert_eq!((site.server.connections(), site.server.requests().len()), (1, 2));
    tokio::time::timeout(Duration::from_secs(10), async {
        while site.server.ended() < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the connection ends with the search");
    drop(http);
}

#[tokio::test]
async fn no_token_is_sent_on_a_connection_that_was_used_before() {
    let site = keeping().await;
    let http = http();
    let metadata = discover(&http, &site.hints()).await.unwrap();
    for connections in [2, 3] {
        let _ = http.send(&crate::sending::request(metadata.token_endpoint.as_str())).await.unwrap();
        assert_eq!(site.server.connections(), connections);
    }
}

#[tokio::test]
async fn metadata_is_asked_for_again_if_its_kept_connection_ends_instead_of_an_answer() {
    let site = keeping().await;
    let steps = site.page_at(AS);
    let pages = Arc::clone(&site.pages);
    site.page(AS, Vec::new());
    // The server has read the second request, and ends the connection. Then it works.
    let mended = async {
        while site.server.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        pages.lock().unwrap().insert(AS.to_owned(), steps);
    };
    let hints = site.hints();
    let (metadata, ()) = tokio::join!(found(&hints), mended);
    assert_eq!(metadata.token_endpoint.as_str(), site.url("/token"));
    assert_eq!(site.server.paths(), [&format!("{RESOURCE}/v1/mcp"), AS, AS]);
    assert_eq!(site.server.connections(), 2);
}
