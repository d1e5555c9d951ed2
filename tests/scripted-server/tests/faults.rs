//! Each fault, at the level of bytes: what goes out, when, and what has become of the grant by then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use common::{Reply, receive, refresh, refresh_text, send};
use flate2::read::GzDecoder;
use scripted_server::{
    Answer, Delivery, Entry, ExpiresIn, Grant, HttpReply, Outcome, ScopeForm, Script, Server, Shape,
    TokenState,
};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(5);

/// A server, a grant on it, and the reply to one refresh that was answered so.
fn answered(answer: Answer) -> (Server, Grant, Reply) {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    server.answer_next(answer);
    let reply = refresh(server.address(), &grant, &grant.refresh_token);
    assert!(server.wait_for(SOON, |log| log.iter().all(|entry| entry.finished_us.is_some())));
    (server, grant, reply)
}

fn last(server: &Server) -> Entry {
    server.log().pop().unwrap()
}

#[test]
fn a_lost_answer_has_rotated_and_a_dropped_one_has_not() {
    let (server, grant, reply) = answered(Answer::lost());
    assert_eq!((reply.raw.len(), reply.end), (0, Ok(())));
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Spent);
    assert_eq!((last(&server).outcome, last(&server).status), (Outcome::Fresh, None));

    let (server, grant, reply) = answered(Answer::dropped());
    assert_eq!((reply.raw.len(), reply.end), (0, Ok(())));
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Current);
    assert_eq!(last(&server).outcome, Outcome::Untouched);
}

#[test]
fn a_reset_connection_is_reset() {
    let (server, grant, reply) = answered(Answer::lost().delivered(Delivery::Reset));
    assert_eq!((reply.raw.len(), reply.end), (0, Err(ErrorKind::ConnectionReset)));
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Spent);
}

#[test]
fn a_cut_answer_ends_after_exactly_so_many_bytes() {
    let (_server, _, reply) = answered(Answer::cut(10));
    assert_eq!((reply.status(), reply.body().len(), reply.end), (200, 10, Ok(())));
    let promised: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert!(promised > 100, "the head promises the whole body");

    let (server, grant, reply) = answered(Answer::default().delivered(Delivery::Cut { bytes: 7 }));
    assert_eq!(reply.text(), "HTTP/1.");
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Spent);
}

#[test]
fn a_hanging_answer_never_comes_and_the_server_notices_when_the_client_leaves() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    server.answer_next(Answer::hangs());
    let mut stream = send(server.address(), &refresh_text("/token", &grant, &grant.refresh_token));
    assert!(server.wait_for(SOON, |log| log.iter().any(|entry| entry.outcome == Outcome::Untouched)));
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(last(&server).finished_us, None);
    drop(stream);
    assert!(server.wait_for(SOON, |log| log.iter().all(|entry| entry.finished_us.is_some())));
    assert_eq!(last(&server).status, None);
}

#[test]
fn an_endless_body_passes_any_limit() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    server.answer_next(Answer::default().delivered(Delivery::Endless));
    let stream = send(server.address(), &refresh_text("/token", &grant, &grant.refresh_token));
    let mut raw = Vec::new();
    stream.take(2 << 20).read_to_end(&mut raw).unwrap();
    assert_eq!(raw.len(), 2 << 20);
    assert!(Reply { raw, end: Ok(()) }.header("transfer-encoding").is_some());
}

#[test]
fn a_padded_answer_is_valid_json_over_the_limit() {
    let (_server, _, reply) = answered(Answer::shaped(Shape { padding: 1 << 20, ..Shape::default() }));
    assert!(reply.body().len() > 1 << 20);
    assert!(reply.member("refresh_token").starts_with("rt_"));
}

#[test]
fn a_dripping_answer_takes_its_time_and_is_whole_at_last() {
    let every = Duration::from_millis(1);
    let start = Instant::now();
    let (_server, _, reply) = answered(Answer::default().delivered(Delivery::Drip { every }));
    let bytes = u32::try_from(reply.body().len()).unwrap();
    assert!(start.elapsed() >= every * bytes);
    assert!(reply.member("refresh_token").starts_with("rt_"));
}

#[test]
fn a_wait_before_leaves_the_grant_alone_meanwhile_and_a_wait_after_does_not() {
    for (answer, meanwhile) in [
        (Answer::default().before(Duration::from_millis(600)), TokenState::Current),
        (Answer::default().after(Duration::from_millis(600)), TokenState::Spent),
    ] {
        let server = Server::start(Script::default()).unwrap();
        let grant = server.grant(HOUR);
        server.answer_next(answer);
        let decided = meanwhile == TokenState::Spent;
        let stream = send(server.address(), &refresh_text("/token", &grant, &grant.refresh_token));
        assert!(server.wait_for(SOON, |log| {
            log.last().is_some_and(|entry| !decided || entry.decided_us.is_some())
        }));
        assert_eq!(server.state_of(&grant.refresh_token), meanwhile);
        assert_eq!(receive(stream).status(), 200);
        let entry = last(&server);
        let (received, rotated) = (entry.received_us, entry.decided_us.unwrap());
        let finished = if let Some(finished) = entry.finished_us { finished } else { now_us() };
        assert!(if decided { finished - rotated } else { rotated - received } >= 600_000);
    }
}

/// Wall clock in microseconds, for an entry whose last byte was out a moment ago.
fn now_us() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

#[test]
fn a_client_that_leaves_in_the_middle_does_not_stop_the_rotation() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    server.answer_next(Answer::default().before(Duration::from_millis(100)));
    drop(send(server.address(), &refresh_text("/token", &grant, &grant.refresh_token)));
    assert!(server.wait_for(SOON, |log| log.iter().any(|entry| entry.outcome == Outcome::Fresh)));
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Spent);
}

#[test]
fn a_status_leaves_the_grant_alone_unless_it_is_told_to_spend() {
    for status in [201, 400, 429, 500, 502, 503, 504, 520] {
        let (server, grant, reply) = answered(Answer::status(status));
        assert_eq!((reply.status(), server.state_of(&grant.refresh_token)), (status, TokenState::Current));
        assert_eq!(last(&server).status, Some(status));
        let (server, grant, reply) = answered(Answer::status(status).spending());
        assert_eq!((reply.status(), server.state_of(&grant.refresh_token)), (status, TokenState::Spent));
        assert!(!reply.text().contains("rt_"));
    }
}

#[test]
fn retry_after_comes_as_seconds_or_as_a_date() {
    let (_server, _, reply) = answered(Answer::status(429).retry_after(Duration::from_secs(120)));
    assert_eq!(reply.header("retry-after").unwrap(), "120");
    let (_server, _, reply) = answered(Answer::status(503).retry_after_date(Duration::from_secs(120)));
    let (now, then) = (reply.header("date").unwrap(), reply.header("retry-after").unwrap());
    let seconds = |date: &str| jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_second();
    assert!((119..=121).contains(&(seconds(&then) - seconds(&now))), "{now} {then}");
}

#[test]
fn pages_redirects_and_errors_come_as_they_are_told() {
    let (_server, _, page) = answered(Answer::html(200));
    assert_eq!(
        (page.status(), page.header("content-type").unwrap().as_str()),
        (200, "text/html; charset=utf-8")
    );
    let (_server, _, redirect) = answered(Answer::redirect("http://example.invalid/token"));
    assert_eq!(redirect.header("location").unwrap(), "http://example.invalid/token");
    let (_server, _, slack) = answered(Answer::slack("invalid_refresh_token"));
    assert_eq!(slack.json(), json!({"ok": false, "error": "invalid_refresh_token"}));
    let (_server, _, error) = answered(Answer::error(400, "invalid_scope", "no"));
    assert_eq!(error.json(), json!({"error": "invalid_scope", "error_description": "no"}));
    let (_server, _, raw) = answered(Answer::reply(HttpReply {
        body: "{\"access_token\":".to_owned(),
        ..HttpReply::json(200, "")
    }));
    assert_eq!(raw.body(), b"{\"access_token\":");
}

#[test]
fn each_shape_is_what_it_says() {
    let shape = Shape {
        status: Some(201),
        content_type: Some("text/plain".to_owned()),
        bom: true,
        token_type: false,
        expires_in: ExpiresIn::Text,
        scope: ScopeForm::Array,
        extra: [("is_new".to_owned(), json!(true))].into_iter().collect(),
        ..Shape::default()
    };
    let (server, grant, reply) = answered(Answer::shaped(shape));
    assert_eq!((reply.status(), reply.header("content-type").unwrap().as_str()), (201, "text/plain"));
    let text = reply.body().strip_prefix(b"\xEF\xBB\xBF").expect("a byte-order mark");
    let body: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(body["expires_in"], "3600");
    assert_eq!(body["scope"], json!(["mcp", "offline_access"]));
    assert_eq!((&body["is_new"], body.get("token_type")), (&json!(true), None));
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Spent);

    for (expires_in, shown) in [
        (ExpiresIn::Number, Some(json!(3600))),
        (ExpiresIn::Float, Some(json!(3600.5))),
        (ExpiresIn::Absent, None),
        (ExpiresIn::Exactly(json!(0)), Some(json!(0))),
        (ExpiresIn::Exactly(json!(-1)), Some(json!(-1))),
    ] {
        let (_server, _, reply) = answered(Answer::shaped(Shape { expires_in, ..Shape::default() }));
        assert_eq!(reply.json().get("expires_in"), shown.as_ref());
    }
}

#[test]
fn gzip_unpacks_to_the_answer() {
    let (_server, _, reply) = answered(Answer::shaped(Shape { gzip: true, ..Shape::default() }));
    assert_eq!(reply.header("content-encoding").unwrap(), "gzip");
    let body: Value = serde_json::from_reader(GzDecoder::new(reply.body())).unwrap();
    assert!(body["refresh_token"].as_str().unwrap().starts_with("rt_"));
}

#[test]
fn the_queue_goes_before_the_permanent_answer() {
    let server = Server::start(Script { answer: Answer::status(503), ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    server.answer_next(Answer::status(429));
    server.answer_next(Answer::status(502));
    let statuses = [0; 4].map(|_| refresh(server.address(), &grant, &grant.refresh_token).status());
    assert_eq!(statuses, [429, 502, 503, 503]);
    server.answer_always(Answer::default());
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 200);
}

#[test]
fn a_user_agent_that_the_edge_dislikes_is_turned_away_before_anything_happens() {
    let refused_user_agents = vec!["test/".to_owned()];
    let server = Server::start(Script { refused_user_agents, ..Script::default() }).unwrap();
    let grant = server.grant(HOUR);
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 403);
    assert_eq!(last(&server).outcome, Outcome::Refused);
    assert_eq!(server.state_of(&grant.refresh_token), TokenState::Current);
}

#[test]
fn a_server_that_stopped_listening_refuses_connections_until_it_listens_again() {
    let server = Server::start(Script::default()).unwrap();
    let grant = server.grant(HOUR);
    server.stop_listening().unwrap();
    let refused = std::net::TcpStream::connect(server.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    server.listen().unwrap();
    server.listen().unwrap();
    assert_eq!(refresh(server.address(), &grant, &grant.refresh_token).status(), 200);
}

#[test]
fn nonsense_on_the_wire_harms_nobody() {
    let server = Server::start(Script::default()).unwrap();
    for nonsense in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "\u{0}\u{1}\u{2}",
        "GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        "POST /token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /token HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let stream = send(server.address(), nonsense);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(receive(stream).raw, b"", "{nonsense:?}");
    }
    for body in ["", "{}", "[1", "null", "{\"id\":1}"] {
        for path in [
            "/mcp",
            "/register",
            "/token",
            "/_control",
            "/authorize",
            "//",
            "/.well-known/",
            "/.well-known//",
        ] {
            for method in ["GET", "POST", "DELETE"] {
                assert!(
                    common::request(server.address(), method, path, &[], body).status() >= 200,
                    "{method} {path}"
                );
            }
        }
    }
}
