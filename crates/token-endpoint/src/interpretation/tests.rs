mod compression;
mod lifetimes;
mod refusals;

use super::*;
use crate::TokenPair;
use flate2::{Compression, write::DeflateEncoder, write::GzEncoder, write::ZlibEncoder};
use oauth_secret::{AccessToken, RefreshToken};
use proptest::prelude::*;
use std::io::Write as _;
use std::time::Duration;

const PLAIN: &str = r#"{"access_token":"at_new","token_type":"Bearer","expires_in":3600,"refresh_token":"rt_new","scope":"a b"}"#;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn meaning(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    interpret(&RawAnswer::new(status, body), now())
}

fn html(status: u16) -> RawAnswer {
    let page = "<!doctype html><html><body>Please log in</body></html>";
    RawAnswer { content_type: Some("text/html; charset=utf-8".to_owned()), ..RawAnswer::new(status, page) }
}

fn plain_pair() -> TokenPair {
    TokenPair {
        access_token: AccessToken::new("at_new"),
        refresh_token: Some(RefreshToken::new("rt_new")),
        expires_in: Some(Duration::from_secs(3600)),
        refresh_expires_in: None,
        scope: Some("a b".to_owned()),
    }
}

fn pair(answer: Answer) -> TokenPair {
    match answer {
        Answer::Fresh(pair) => pair,
        other => panic!("not fresh: {other:?}"),
    }
}

fn error(code: &str, description: &str) -> String {
    serde_json::json!({ "error": code, "error_description": description }).to_string()
}

/// The answer's kind, code and text, as a table line.
fn line(answer: &Answer) -> (&'static str, String) {
    let text = match answer {
        Answer::Fresh(_) => String::new(),
        Answer::Dead { code, detail }
        | Answer::ClientDead { code, detail }
        | Answer::Refused { code, detail } => {
            format!("{code}: {detail}")
        }
        Answer::Transient { why, .. } | Answer::Unsent { why } | Answer::Ambiguous { why, .. } => why.clone(),
    };
    (answer.name(), text)
}

#[test]
fn a_plain_pair_is_fresh() {
    assert_eq!(pair(meaning(200, PLAIN)), plain_pair());
}

#[test]
fn every_success_with_a_token_keeps_the_rotated_token() {
    let wrapped =
        |before: &str, after: &str| [before.as_bytes(), PLAIN.as_bytes(), after.as_bytes()].concat();
    let without_space = |url: &str| {
        let with_url = PLAIN.replacen('{', &format!("{{\"id\":\"{url}\","), 1);
        with_url.replace("a b", "a\\u0020b").into_bytes()
    };
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (what, status, body) in [
        ("201", 201, PLAIN.into()),
        ("203", 203, PLAIN.into()),
        ("a byte-order mark", 200, wrapped("\u{feff}", "")),
        ("white space around it", 200, wrapped("\r\n\t ", "\n")),
        ("something behind it", 200, wrapped("", "<!-- served by node 7 -->")),
        ("deep unknown members", 200, PLAIN.replacen('{', &format!("{{\"x\":{deep},"), 1).into_bytes()),
        (
            "huge unknown numbers",
            200,
            PLAIN.replacen('{', "{\"x\":1e400,\"y\":123456789012345678901234567890,", 1).into(),
        ),
        ("an empty error beside it", 200, PLAIN.replacen('{', "{\"ok\":true,\"error\":null,", 1).into()),
        ("no token_type", 200, PLAIN.replace(r#""token_type":"Bearer","#, "").into()),
        ("token_type null", 200, PLAIN.replace(r#""Bearer""#, "null").into()),
        ("token_type of its own", 200, PLAIN.replace("Bearer", "user").into()),
        ("expires_in as a text", 200, PLAIN.replace("3600", "\"3600\"").into()),
        ("expires_in as a float", 200, PLAIN.replace("3600", "3600.7").into()),
        ("expires_in as a float text", 200, PLAIN.replace("3600", "\"3.6e3\"").into()),
        ("scope as an array", 200, PLAIN.replace("\"a b\"", "[\"a\",\"b\"]").into()),
        ("escapes", 200, PLAIN.replace("rt_new", "rt\\u005fnew").into()),
        ("a wrapper", 200, wrapped("{\"data\":", "}")),
        ("a name that is half a character", 200, PLAIN.replacen('{', "{\"\\ud800\":1,", 1).into()),
        ("a URL that looks like a form", 200, without_space("https://id.example/?a&access_token=at_old")),
        (
            "a URL that looks like a form's error",
            200,
            without_space("https://id.example/?a&error=access_denied"),
        ),
        ("Slack's authed_user", 200, wrapped("{\"ok\":true,\"team\":{\"id\":\"T\"},\"authed_user\":", "}")),
        (
            "a form",
            200,
            b"access_token=at_new&expires_in=3600&refresh_token=rt_new&scope=a+b&token_type=bearer".to_vec(),
        ),
        ("bytes that are no UTF-8", 200, [b"{\"x\":\"\xff\xfe\",", &PLAIN.as_bytes()[1..]].concat()),
    ] {
        assert_eq!(pair(meaning(status, body)), plain_pair(), "{what}");
    }
}

#[test]
fn the_content_type_does_not_matter_if_there_is_a_token() {
    for kind in
        ["text/plain", "text/html", "application/octet-stream", "application/json; charset=utf-16", ""]
    {
        let answer = RawAnswer { content_type: Some(kind.to_owned()), ..RawAnswer::new(200, PLAIN) };
        assert_eq!(pair(interpret(&answer, now())), plain_pair(), "{kind}");
    }
}

#[test]
fn without_a_new_refresh_token_the_old_one_stays() {
    for refresh in ["", r#","refresh_token":null"#, r#","refresh_token":"""#, r#","refresh_token":7"#] {
        let pair = pair(meaning(200, format!(r#"{{"access_token":"at_new"{refresh}}}"#)));
        assert_eq!(pair.refresh_token, None, "{refresh}");
        assert_eq!(pair.access_token, AccessToken::new("at_new"));
    }
}

#[test]
fn two_nested_pairs_are_not_guessed_between() {
    let both = format!(r#"{{"bot":{PLAIN},"user":{PLAIN}}}"#);
    assert_eq!(meaning(200, both).name(), "ambiguous");
}

#[test]
fn no_formatting_shows_a_token() {
    let raw = RawAnswer::new(200, PLAIN);
    for shown in [format!("{raw:?}"), format!("{:?}", interpret(&raw, now()))] {
        assert!(!shown.contains("at_new") && !shown.contains("rt_new"), "{shown}");
    }
}

#[test]
fn a_response_survives_the_journal() {
    let raw = RawAnswer {
        content_type: Some("application/json".to_owned()),
        date: Some("Fri, 20 Nov 2026 12:02:00 GMT".to_owned()),
        ..RawAnswer::new(201, b"\xff\x00{}".to_vec())
    };
    let bytes = raw.to_bytes().unwrap();
    assert!(!bytes.contains(&b'\n'));
    assert_eq!(RawAnswer::from_bytes(&bytes).unwrap(), raw);
    for damaged in [&bytes[..bytes.len() - 1], b"", b"{}", b"{\"status\":200,\"body\":\"%\"}"] {
        assert!(RawAnswer::from_bytes(damaged).is_err());
    }
}

fn optional_header() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(prop_oneof![
        any::<String>(),
        "[a-z/; =0-9-]{0,20}",
        Just("gzip".to_owned()),
        Just("deflate".to_owned())
    ])
}

proptest! {
    #[test]
    fn any_answer_can_be_interpreted_and_kept(
        status in any::<u16>(),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            ".{0,200}".prop_map(String::into_bytes),
            "[{}\\[\\]\":,a-z0-9_]{0,120}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..100).prop_map(|tail| [&[0x1f, 0x8b, 8, 0][..], &tail].concat()),
        ],
        (content_type, content_encoding) in (optional_header(), optional_header()),
        (retry_after, date, location) in (optional_header(), optional_header(), optional_header()),
    ) {
        let raw = RawAnswer { content_type, content_encoding, retry_after, date, location, ..RawAnswer::new(status, body) };
        let answer = interpret(&raw, now());
        if let Answer::Transient { retry_after: Some(pause), .. } = &answer {
            prop_assert!(*pause <= Duration::from_secs(3600));
        }
        let kept = RawAnswer::from_bytes(&raw.to_bytes().unwrap()).unwrap();
        prop_assert_eq!(interpret(&kept, now()), answer);
        prop_assert_eq!(kept, raw);
    }

    #[test]
    fn no_text_of_an_answer_holds_a_piece_of_a_token(
        token in "[A-Za-z0-9._~+/=_-]{20,80}",
        status in prop_oneof![Just(200_u16), Just(400), Just(401), Just(403), Just(404), Just(500), 100..600_u16],
        form in 0..9_usize,
        (before, after) in ("[ a-z\":\\\\<>\u{7}ä]{0,12}", "[ a-z\":\\\\<>\u{200b}ä]{0,12}"),
    ) {
        let text = format!("{before}{token}{after}");
        let json = |value: serde_json::Value| value.to_string();
        let body = match form {
            0 => json(serde_json::json!({ "error": "invalid_grant", "error_description": text })),
            1 => json(serde_json::json!({ "error": text })),
            2 => json(serde_json::json!({ "error": { "code": text, "message": text } })),
            3 => json(serde_json::json!({ "ok": false, "msg": text })),
            4 => json(serde_json::json!({ "access_token": "", "refresh_token": text })),
            5 => format!("{{\"access_token\":\"{token}\",\"refresh_to"),
            6 => format!("error={token}&error_description={token}"),
            7 => json(serde_json::json!({ "error": format!("invalid_request: {text}"), "message": text })),
            _ => text.clone(),
        };
        let raw = RawAnswer {
            location: Some(format!("https://a.example/{token}?code={token}")),
            content_type: Some(token.clone()),
            retry_after: Some(token.clone()),
            ..RawAnswer::new(status, body)
        };
        for shown in [line(&interpret(&raw, now())).1, format!("{:?}", interpret(&raw, now())), format!("{raw:?}")] {
            for piece in token.as_bytes().windows(20) {
                let piece = std::str::from_utf8(piece).unwrap();
                prop_assert!(!shown.contains(piece), "{shown} holds {piece}");
            }
        }
    }
}
