use crate::server::{Server, Step, answer, json};
use flate2::{Compression, write::GzEncoder};
use oauth_secret::RefreshToken;
use std::io::Write as _;
use std::time::{Duration, Instant};
use token_endpoint::{
    Answer, ClientAuth, Http, HttpOptions, Limits, RawAnswer, RefreshRequest, RequestShape, SendError,
    UnsentKind, interpret,
};
use url::Url;

const PAIR: &str =
    r#"{"access_token":"at_new","token_type":"Bearer","expires_in":60,"refresh_token":"rt_new"}"#;

pub(crate) fn request(endpoint: &str) -> RefreshRequest {
    RefreshRequest {
        token_endpoint: Url::parse(endpoint).unwrap(),
        refresh_token: RefreshToken::new("rt_old_0123456789abcdef"),
        client_id: Some("cl_1".to_owned()),
        client_secret: None,
        auth: ClientAuth::None,
        shape: RequestShape::default(),
        resource: "http://127.0.0.1:1/mcp".to_owned(),
        scope: None,
    }
}

/// Limits short enough for a test and long enough for a busy machine.
fn http(whole: Duration) -> Http {
    let limits = Limits { connect: Duration::from_secs(5), whole, body: 64 * 1024 };
    Http::new(&HttpOptions { limits, proxy: Some(String::new()), ..HttpOptions::default() }).unwrap()
}

async fn send(server: &Server) -> Result<RawAnswer, SendError> {
    http(Duration::from_secs(20)).send(&request(&server.url("/token"))).await
}

/// What became of it, when exactly one request was on the wire.
async fn send_once(script: Vec<Step>) -> Result<RawAnswer, SendError> {
    let server = Server::start(move |_| script.clone()).await;
    let result = send(&server).await;
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.connections(), 1);
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("rt_old") && !shown.contains("at_new"), "{shown}");
    }
    result
}

fn is_fresh(answer: &RawAnswer) -> bool {
    matches!(interpret(answer, jiff::Timestamp::UNIX_EPOCH), Answer::Fresh(_))
}

#[tokio::test]
async fn one_request_goes_out_and_the_answer_comes_back_as_it_was() {
    let headers = "content-type: text/plain\r\nretry-after: 7\r\ndate: Fri, 20 Nov 2026 12:02:00 GMT\r\nset-cookie: a=b\r\n";
    let server = Server::start(move |_| answer(299, headers, PAIR)).await;
    let got = send(&server).await.unwrap();
    assert_eq!(got.status, 299);
    assert_eq!(got.content_type.as_deref(), Some("text/plain"));
    assert_eq!(got.retry_after.as_deref(), Some("7"));
    assert_eq!(got.date.as_deref(), Some("Fri, 20 Nov 2026 12:02:00 GMT"));
    assert_eq!(got.body.as_slice(), PAIR.as_bytes());

    let [seen] = server.requests().try_into().unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/token"));
    assert!(seen.head.contains("HTTP/1.1"), "{}", seen.head);
    let agent = concat!("user-agent: mcp-refreshd/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(seen.head.contains(agent), "{}", seen.head);
    assert!(seen.head.contains("accept-encoding: identity\r\n"), "{}", seen.head);
    assert!(!seen.head.contains("cookie"), "{}", seen.head);
    assert!(
        seen.body.contains("grant_type=refresh_token&refresh_token=rt_old_0123456789abcdef"),
        "{}",
        seen.body
    );
}

#[tokio::test]
async fn a_redirect_that_adds_a_slash_is_followed_once_with_the_same_form() {
    for status in [307, 308] {
        for location in ["/token/".to_owned(), "token/".to_owned(), "/token/?a=1#x".to_owned()] {
            let to = location.clone();
            let server = Server::start(move |seen| match seen.path.as_str() {
                "/token" => answer(status, &format!("location: {to}\r\n"), ""),
                _ => json(200, PAIR),
            })
            .await;
            assert!(is_fresh(&send(&server).await.unwrap()), "{status} {location}");
            let [first, second] = server.requests().try_into().unwrap();
            assert!(second.path.starts_with("/token/") && !second.path.contains('#'), "{}", second.path);
            assert_eq!((first.method, first.body), (second.method, second.body));
        }
    }
    // In a circle it is not followed again.
    let server = Server::start(|seen| {
        let to = if seen.path == "/token" { "/token/" } else { "/token" };
        answer(307, &format!("location: {to}\r\n"), "")
    })
    .await;
    assert_eq!(send(&server).await.unwrap().status, 307);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn no_token_follows_a_redirect_to_another_origin_or_of_another_kind() {
    let elsewhere = Server::start(|_| json(200, PAIR)).await;
    for (status, location) in [
        (307, elsewhere.url("/token")),
        (308, "https://127.0.0.1:1/token".to_owned()),
        (308, format!("//localhost:{}/token", elsewhere.port)),
        (307, "http://a:b@127.0.0.1/token".to_owned()),
        (301, "/token/".to_owned()),
        (302, "/token/".to_owned()),
        (303, "/token/".to_owned()),
    ] {
        let to = location.clone();
        let answer = send_once(answer(status, &format!("location: {to}\r\n"), "")).await.unwrap();
        assert_eq!(answer.status, status, "{location}");
        let why = format!("{:?}", interpret(&answer, jiff::Timestamp::UNIX_EPOCH));
        assert!(why.contains("not followed with a token"), "{why}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn every_request_has_a_connection_of_its_own() {
    // The server keeps each connection open for more.
    let server = Server::start(|_| [json(200, PAIR), vec![Step::Hang]].concat()).await;
    let http = http(Duration::from_secs(20));
    for _ in 0..3 {
        assert!(is_fresh(&http.send(&request(&server.url("/token"))).await.unwrap()));
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn the_configured_user_agent_is_appended_to_ours() {
    let server = Server::start(|_| json(200, PAIR)).await;
    let options = HttpOptions { user_agent_suffix: Some("(test)".to_owned()), ..HttpOptions::default() };
    let _ = Http::new(&options).unwrap().send(&request(&server.url("/token"))).await.unwrap();
    assert!(server.requests()[0].head.contains(" (test)\r\n"));
}

#[tokio::test]
async fn a_chunked_answer_and_one_that_ends_with_the_connection_are_whole() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{PAIR}\r\n0\r\n\r\n",
        PAIR.len()
    );
    assert!(is_fresh(&send_once(vec![Step::Send(chunked.into())]).await.unwrap()));
    let closed = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{PAIR}");
    assert!(is_fresh(&send_once(vec![Step::Send(closed.into())]).await.unwrap()));
}

#[tokio::test]
async fn a_compressed_response_is_kept_as_received_and_understood() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(PAIR.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let got = send_once(answer(200, "content-encoding: gzip\r\n", &body)).await.unwrap();
    assert_eq!(got.body.as_slice(), body);
    assert!(is_fresh(&got));
}

#[tokio::test]
async fn a_connection_lost_after_the_request_is_lost_and_not_unsent() {
    for script in [
        vec![],
        vec![Step::Send(b"HTTP/1.1 2".to_vec())],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n".to_vec())],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"access_token\":\"at_new".to_vec())],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"acc".to_vec())],
        vec![Step::Send(b"this is no HTTP\r\n\r\n".to_vec())],
    ] {
        let error = send_once(script).await.unwrap_err();
        assert!(matches!(error, SendError::Lost { .. }), "{error:?}");
        assert!(matches!(Answer::from(error), Answer::Ambiguous { lost: true, .. }));
    }
}

#[tokio::test]
async fn a_connection_closed_before_it_was_read_is_lost_all_the_same() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let mut connections = 0;
        loop {
            drop(listener.accept().await.unwrap());
            connections += 1;
            assert_eq!(connections, 1, "the request was repeated");
        }
    });
    let error = http(Duration::from_secs(20))
        .send(&request(&format!("http://127.0.0.1:{port}/token")))
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::Lost { .. }), "{error:?}");
    assert!(!server.is_finished());
    server.abort();
}

#[tokio::test]
async fn nobody_listening_is_unsent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = http(Duration::from_secs(20))
        .send(&request(&format!("http://127.0.0.1:{port}/token")))
        .await
        .unwrap_err();
    let SendError::Unsent { why, kind: UnsentKind::Unreachable } = &error else { panic!("{error:?}") };
    assert!(why.contains(&format!("127.0.0.1:{port}")) && why.contains("refused"), "{why}");
    assert!(matches!(Answer::from(error), Answer::Unsent { .. }));
}

#[tokio::test]
async fn an_unknown_host_name_is_unsent() {
    // A label of more than 63 characters is refused by the resolver without asking anybody.
    let endpoint = format!("http://{}.localhost:9/token", "a".repeat(70));
    let error = http(Duration::from_secs(20)).send(&request(&endpoint)).await.unwrap_err();
    assert!(matches!(error, SendError::Unsent { kind: UnsentKind::Dns, .. }), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_hangs_is_unsent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = Limits { connect: Duration::from_millis(300), ..Limits::default() };
    let http = Http::new(&HttpOptions { limits, ..HttpOptions::default() }).unwrap();
    let error = http.send(&request(&format!("https://127.0.0.1:{port}/token"))).await.unwrap_err();
    assert!(matches!(error, SendError::Unsent { kind: UnsentKind::ConnectTimeout, .. }), "{error:?}");
}

#[tokio::test]
async fn a_handshake_with_something_else_is_unsent() {
    let server = Server::start(|_| json(200, PAIR)).await;
    let endpoint = format!("https://127.0.0.1:{}/token", server.port);
    // The server waits for the end of an HTTP head that never comes; the limit ends it.
    let limits = Limits { connect: Duration::from_millis(300), ..Limits::default() };
    let http = Http::new(&HttpOptions { limits, ..HttpOptions::default() }).unwrap();
    let error = http.send(&request(&endpoint)).await.unwrap_err();
    assert!(matches!(error, SendError::Unsent { .. }), "{error:?}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_may_still_be_working() {
    let byte_by_byte = b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n".to_vec();
    for script in [
        vec![Step::Hang],
        vec![Step::Send(byte_by_byte.clone()), Step::Hang],
        vec![Step::Send(byte_by_byte), Step::Repeat(b" ".to_vec(), Duration::from_millis(50))],
        vec![Step::Repeat(b"H".to_vec(), Duration::from_millis(50))],
    ] {
        let server = Server::start(move |_| script.clone()).await;
        let started = Instant::now();
        let error = http(Duration::from_millis(700)).send(&request(&server.url("/token"))).await.unwrap_err();
        // A status line made of nothing is a broken answer before it is a slow one.
        assert!(matches!(error, SendError::TimedOut { .. } | SendError::Lost { .. }), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!((server.connections(), server.requests().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_slow_answer_is_timed_out_and_not_lost() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n".to_vec();
    let server = Server::start(move |_| {
        vec![Step::Send(head.clone()), Step::Repeat(b" ".to_vec(), Duration::from_millis(50))]
    })
    .await;
    let error = http(Duration::from_millis(700)).send(&request(&server.url("/token"))).await.unwrap_err();
    let SendError::TimedOut { why } = &error else { panic!("{error:?}") };
    assert!(why.contains("200"), "the status is known: {why}");
    assert!(matches!(Answer::from(error), Answer::Ambiguous { lost: false, .. }));
}

#[tokio::test]
async fn an_endless_or_oversized_response_is_lost() {
    let endless = Step::Repeat(vec![b' '; 16 * 1024], Duration::ZERO);
    let too_long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 64 * 1024 + 1);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let chunk = [format!("{:x}\r\n", 16 * 1024).as_bytes(), &[b' '; 16 * 1024], b"\r\n"].concat();
    for script in [
        vec![Step::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), endless.clone()],
        vec![Step::Send(too_long.into()), Step::Send(vec![b' '; 64 * 1024 + 1])],
        vec![Step::Send(chunked.clone().into()), Step::Repeat(chunk.clone(), Duration::ZERO)],
        // Headers without an end.
        vec![
            Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Step::Repeat(b"x: y\r\n".repeat(1000), Duration::ZERO),
        ],
    ] {
        let error = send_once(script).await.unwrap_err();
        assert!(matches!(error, SendError::TooBig { .. } | SendError::Lost { .. }), "{error:?}");
        assert!(matches!(Answer::from(error), Answer::Ambiguous { .. }));
    }
    let exactly = answer(200, "", vec![b' '; 64 * 1024]);
    assert_eq!(send_once(exactly).await.unwrap().body.len(), 64 * 1024);
}

#[tokio::test]
async fn a_complete_object_counts_whatever_follows_it() {
    let chunk = |text: &str| [format!("{:x}\r\n", text.len()).as_bytes(), text.as_bytes(), b"\r\n"].concat();
    let refusal = r#"{"error":"invalid_grant"}"#;
    for (status, body, expected) in [(200, PAIR, "fresh"), (400, refusal, "dead"), (200, refusal, "dead")] {
        let head = format!("HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
        let first = [head, chunk(body)].concat();
        for then in [
            Step::Repeat(chunk(&" ".repeat(16 * 1024)), Duration::ZERO),
            Step::Repeat(chunk(" "), Duration::from_millis(50)),
            Step::Hang,
        ] {
            let script = vec![Step::Send(first.clone()), then];
            let server = Server::start(move |_| script.clone()).await;
            let got = http(Duration::from_secs(1)).send(&request(&server.url("/token"))).await.unwrap();
            assert_eq!(interpret(&got, jiff::Timestamp::UNIX_EPOCH).name(), expected, "{got:?}");
        }
    }
    // Half of one is none.
    let half = PAIR.get(..PAIR.len() - 1).unwrap();
    let head = format!("HTTP/1.1 200 OK\r\n\r\n{half}").into_bytes();
    let error = send_once(vec![Step::Send(head), Step::Repeat(vec![b' '; 16 * 1024], Duration::ZERO)])
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::TooBig { .. }), "{error:?}");
}

#[tokio::test]
async fn a_conclusive_status_is_an_answer_even_with_a_broken_body() {
    for status in [429, 503] {
        let head = format!("HTTP/1.1 {status} X\r\nretry-after: 9\r\ncontent-length: 90\r\n\r\ncut");
        let got = send_once(vec![Step::Send(head.into())]).await.unwrap();
        let Answer::Transient { retry_after, .. } = interpret(&got, jiff::Timestamp::UNIX_EPOCH) else {
            panic!("{got:?}")
        };
        assert_eq!(retry_after, Some(Duration::from_secs(9)));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| json(200, PAIR)).await;
    for status in [301, 302, 303, 307, 308] {
        let headers = format!("location: {}\r\n", elsewhere.url("/token"));
        let got = send_once(answer(status, &headers, "")).await.unwrap();
        assert_eq!(got.status, status);
        assert_eq!(got.location, Some(elsewhere.url("/token")));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_failing_server_is_asked_once() {
    for status in [400, 408, 421, 425, 429, 500, 502, 503, 504] {
        assert_eq!(send_once(answer(status, "", "")).await.unwrap().status, status);
    }
}
