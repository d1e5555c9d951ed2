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
fn the_content_type_does_not_matter_where_there_is_a_token() {
    for kind in
        ["text/plain", "text/html", "application/octet-stream", "application/json; charset=utf-16", ""]
    {
        let answer = RawAnswer { content_type: Some(kind.to_owned()), ..RawAnswer::new(200, PLAIN) };
        assert_eq!(pair(interpret(&answer, now())), plain_pair(), "{kind}");
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// [`PLAIN`], compressed by Google's own library: no crate here compresses.
fn brotli() -> Vec<u8> {
    let digits = concat!(
        "1b6700a02d8f77f8ac0d2f0e166ef2ca70f26f1a21c96c8accec958d58bb81a4d1cd3021b96681d1e9d35f652274534ee44e2787",
        "7c00fc6ebf0409059a63ab04a34e9d0ea3bda260ac659d1e66186f293204dc6645716671e3804fcb8d460d",
    );
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_compressed_answer_is_read_whatever_its_header_says() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(PLAIN.as_bytes()).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(PLAIN.as_bytes()).unwrap();
    let gzipped = gzip(PLAIN.as_bytes());
    let without_check_sum = gzipped[..gzipped.len() - 8].to_vec();
    for (encoding, body) in [
        (Some("gzip"), gzipped.clone()),
        (None, gzipped),
        (Some("gzip"), PLAIN.as_bytes().to_vec()),
        (Some("deflate"), zlib.finish().unwrap()),
        (Some("deflate"), raw.finish().unwrap()),
        (Some("gzip"), without_check_sum),
        (Some("br"), brotli()),
        (Some("br"), PLAIN.as_bytes().to_vec()),
    ] {
        let answer =
            RawAnswer { content_encoding: encoding.map(ToOwned::to_owned), ..RawAnswer::new(200, body) };
        assert_eq!(pair(interpret(&answer, now())), plain_pair(), "{encoding:?}");
    }
}

#[test]
fn a_compressed_bomb_is_inflated_to_a_mebibyte_only() {
    let bomb = gzip(&vec![b'x'; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let answer = RawAnswer::new(200, bomb);
    let inflated = body::text(&answer);
    assert!(inflated.len() <= body::LIMIT);
    assert_eq!(interpret(&answer, now()).name(), "ambiguous");
}

#[test]
fn a_refresh_token_that_is_not_there_means_the_old_one_stays() {
    for refresh in ["", r#","refresh_token":null"#, r#","refresh_token":"""#, r#","refresh_token":7"#] {
        let pair = pair(meaning(200, format!(r#"{{"access_token":"at_new"{refresh}}}"#)));
        assert_eq!(pair.refresh_token, None, "{refresh}");
        assert_eq!(pair.access_token, AccessToken::new("at_new"));
    }
}

#[test]
fn a_lifetime_that_cannot_be_meant_is_not_said() {
    for (expires_in, expected) in [
        ("1", Some(1)),
        ("\" 86400 \"", Some(86_400)),
        ("2147483647", Some(2_147_483_647)),
        ("0", None),
        ("0.5", None),
        ("-1", None),
        ("\"-1\"", None),
        ("9223372036854775807", None),
        ("1e400", None),
        ("\"NaN\"", None),
        ("\"inf\"", None),
        ("null", None),
        ("\"\"", None),
        ("true", None),
        ("{}", None),
        ("[3600]", None),
    ] {
        let pair = pair(meaning(200, PLAIN.replace("3600", expires_in)));
        assert_eq!(pair.expires_in, expected.map(Duration::from_secs), "{expires_in}");
        assert_eq!(pair.refresh_token, plain_pair().refresh_token, "{expires_in}");
    }
}

#[test]
fn the_refresh_tokens_own_lifetime_is_read() {
    for (member, expected) in [
        (r#""refresh_expires_in":1800"#, Some(1800)),
        (r#""refresh_token_expires_in":"7776000""#, Some(7_776_000)),
        // Keycloak's offline tokens.
        (r#""refresh_expires_in":0"#, None),
    ] {
        let pair = pair(meaning(200, PLAIN.replacen('{', &format!("{{{member},"), 1)));
        assert_eq!(pair.refresh_expires_in, expected.map(Duration::from_secs), "{member}");
    }
}

fn jwt(claims: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn an_end_that_is_named_as_a_moment_is_a_lifetime_too() {
    let at = |member: &str| format!(r#"{{"access_token":"at_new",{member}}}"#);
    let end = now().as_second() + 3600;
    for member in [
        format!(r#""expires_at":{end}"#),
        format!(r#""expires_at":{end}000"#),
        format!(r#""expires_at":"{end}""#),
        r#""expires_at":"2026-11-20T13:00:00Z""#.to_owned(),
        r#""expires_at":"2026-11-20T14:00:00.000+01:00""#.to_owned(),
        format!(r#""expires_on":"{end}""#),
        format!(r#""expires_in":3600,"expires_at":{}"#, end + 7200),
        format!(r#""expires_in":0,"expires_at":{end}"#),
    ] {
        let pair = pair(meaning(200, at(&member)));
        assert_eq!(pair.expires_in, Some(Duration::from_secs(3600)), "{member}");
    }
    for member in [
        r#""expires_at":3600"#,
        r#""expires_at":0"#,
        r#""expires_at":"soon""#,
        r#""expires_at":1e400"#,
        r#""expires_at":1000000001"#,
    ] {
        assert_eq!(pair(meaning(200, at(member))).expires_in, None, "{member}");
    }
    // By the server's own clock, which is an hour ahead of ours here.
    let ahead = RawAnswer {
        date: Some("Fri, 20 Nov 2026 13:00:00 GMT".to_owned()),
        ..RawAnswer::new(200, at(&format!(r#""expires_at":{}"#, end + 3600)))
    };
    assert_eq!(pair(interpret(&ahead, now())).expires_in, Some(Duration::from_secs(3600)));
}

#[test]
fn of_expires_in_and_the_tokens_own_end_the_earlier_counts() {
    let end = now().as_second() + 600;
    for (claims, expires_in, expected) in [
        (format!(r#"{{"exp":{end}}}"#), "3600", Some(600)),
        (format!(r#"{{"exp":{end}}}"#), "60", Some(60)),
        // Its clock is a day off, and it says so itself.
        (format!(r#"{{"iat":{},"exp":{}}}"#, end + 86_400, end + 87_000), "3600", Some(600)),
        // Ended when it was issued: that says nothing.
        (format!(r#"{{"exp":{}}}"#, end - 1200), "3600", Some(3600)),
        ("[1,2]".to_owned(), "3600", Some(3600)),
        // The client takes a token without `expires_in` for one that does not end; so does the store.
        (format!(r#"{{"exp":{end}}}"#), "null", None),
    ] {
        let body = format!(r#"{{"access_token":"{}","expires_in":{expires_in}}}"#, jwt(&claims));
        let expected = expected.map(Duration::from_secs);
        assert_eq!(pair(meaning(200, body)).expires_in, expected, "{claims} {expires_in}");
    }
}

#[test]
fn a_refresh_token_that_names_its_own_end_is_believed_where_the_answer_says_nothing() {
    let token = jwt(&format!(r#"{{"exp":{}}}"#, now().as_second() + 1800));
    for (member, expected) in [("", Some(1800)), (r#","refresh_expires_in":60"#, Some(60))] {
        let body = format!(r#"{{"access_token":"at_new","refresh_token":"{token}"{member}}}"#);
        assert_eq!(
            pair(meaning(200, body)).refresh_expires_in,
            expected.map(Duration::from_secs),
            "{member}"
        );
    }
}

#[test]
fn of_two_nested_pairs_none_is_guessed() {
    let both = format!(r#"{{"bot":{PLAIN},"user":{PLAIN}}}"#);
    assert_eq!(meaning(200, both).name(), "ambiguous");
}

#[test]
fn answers_of_the_field_mean_what_their_servers_mean() {
    for (server, status, body, expected) in [
        ("Notion", 400, error("invalid_grant", ""), "dead"),
        ("Linear", 400, error("invalid_grant", "Grant not found"), "dead"),
        ("FastMCP", 401, error("invalid_grant", "refresh token does not exist"), "dead"),
        ("Atlassian", 403, error("unauthorized_client", "refresh_token is invalid"), "dead"),
        ("Atlassian, in one member", 403, r#"{"error":"unauthorized_client: refresh_token is invalid"}"#.into(), "dead"),
        ("Slack", 200, r#"{"ok":false,"error":"invalid_refresh_token"}"#.into(), "dead"),
        ("Slack", 200, r#"{"ok":false,"error":"token_revoked"}"#.into(), "dead"),
        ("Slack", 200, r#"{"ok":false,"error":"bad_client_secret"}"#.into(), "client_dead"),
        ("Slack", 200, r#"{"ok":false,"error":"ratelimited"}"#.into(), "transient"),
        ("Slack", 200, r#"{"ok":false,"error":"fatal_error"}"#.into(), "ambiguous"),
        ("Slack", 200, r#"{"ok":false,"error":"access_denied"}"#.into(), "refused"),
        ("Slack", 200, r#"{"ok":false}"#.into(), "refused"),
        ("GitHub", 200, error("bad_refresh_token", "The refresh token passed is incorrect or expired."), "dead"),
        ("GitHub, as a form", 200, "error=bad_refresh_token&error_description=expired".into(), "dead"),
        ("Zitadel", 400, error("invalid_request", "Errors.OIDCSession.RefreshTokenInvalid"), "dead"),
        ("Zitadel", 400, error("invalid_request", "invalid_request ID=OIDCS-JOI23 RefreshTokenInvalid"), "dead"),
        ("Supabase", 401, error("invalid_client", "client not found"), "client_dead"),
        (
            "GoTrue",
            400,
            r#"{"code":400,"error_code":"refresh_token_already_used","msg":"Invalid Refresh Token: Already Used"}"#.into(),
            "dead",
        ),
        ("GoTrue, old", 400, r#"{"code":400,"msg":"Invalid Refresh Token: Refresh Token Not Found"}"#.into(), "dead"),
        ("GoTrue", 409, r#"{"error_code":"conflict","msg":"Too many concurrent token refresh requests"}"#.into(), "transient"),
        ("Okta", 401, r#"{"errorCode":"invalid_client","errorSummary":"Invalid value"}"#.into(), "client_dead"),
        ("Keycloak", 401, error("unauthorized_client", "Invalid client or Invalid client credentials"), "client_dead"),
        ("Keycloak", 400, error("invalid_grant", "Session not active"), "dead"),
        ("Entra", 400, error("invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity."), "dead"),
        ("Entra", 400, error("unauthorized_client", "AADSTS700016: Application with identifier was not found"), "client_dead"),
        ("Entra", 400, error("invalid_target", "AADSTS9010010: The resource parameter does not match"), "refused"),
        ("Auth0", 403, error("invalid_grant", "Unknown or invalid refresh token."), "dead"),
        ("an object under error", 400, r#"{"error":{"code":"invalid_grant","message":"gone"}}"#.into(), "dead"),
        ("capitals", 400, r#"{"error":"INVALID_GRANT"}"#.into(), "dead"),
        ("a plain text", 400, "Invalid refresh token".into(), "dead"),
        ("a plain text", 400, "nope".into(), "refused"),
        ("FastAPI behind a bearer check", 401, error("invalid_token", "Token is invalid"), "dead"),
        ("Hydra's introspection", 400, error("token_inactive", ""), "dead"),
        ("a session store", 400, error("invalid_request", "session not found"), "dead"),
        ("another session", 404, "Session not found".into(), "refused"),
        ("words only", 400, error("invalid_request", "The refresh token is no longer valid"), "dead"),
        ("in a list", 400, r#"[{"error":"invalid_grant"}]"#.into(), "dead"),
        ("under errors", 400, r#"{"errors":[{"code":"invalid_grant","message":"gone"}]}"#.into(), "dead"),
        ("a list under error", 400, r#"{"error":[{"code":"invalid_grant"}]}"#.into(), "dead"),
        ("success: false", 200, r#"{"success":false,"error":"invalid_grant"}"#.into(), "dead"),
        ("success: false, in words", 200, r#"{"success":false,"message":"Invalid refresh token"}"#.into(), "dead"),
        ("success: false", 200, r#"{"success":false}"#.into(), "refused"),
        ("FastAPI", 422, r#"{"detail":"Unrecognized client_id"}"#.into(), "client_dead"),
        ("FastAPI, a list", 422, r#"{"detail":[{"loc":["body"],"msg":"Unrecognized client_id"}]}"#.into(), "client_dead"),
        ("a client that is gone", 401, error("unauthorized_client", "Client authentication failed"), "client_dead"),
        ("a client that is missing", 400, error("invalid_request", "Missing client credentials"), "client_dead"),
        ("NestJS", 400, r#"{"statusCode":400,"message":["property resource should not exist"],"error":"Bad Request"}"#.into(), "refused"),
        ("no right to refresh", 400, error("unauthorized_client", "grant type not enabled"), "refused"),
        ("early refresh", 400, error("invalid_request", "token is still valid"), "refused"),
        ("two sentences", 400, error("invalid_request", "The request is invalid. Client must send a form."), "refused"),
        ("unsupported", 400, error("unsupported_grant_type", ""), "refused"),
        ("maintenance", 400, error("temporarily_unavailable", ""), "transient"),
        ("server_error", 400, error("server_error", ""), "ambiguous"),
        ("no endpoint", 404, String::new(), "refused"),
        ("no endpoint, but OAuth", 404, error("invalid_grant", ""), "dead"),
        ("nothing", 400, String::new(), "refused"),
        ("an array", 400, "[]".into(), "refused"),
    ] {
        let answer = meaning(status, body);
        assert_eq!(answer.name(), expected, "{server}, {status}: {answer:?}");
    }
}

#[test]
fn a_status_means_what_it_proves_of_the_token() {
    for (status, expected) in [
        (100, "ambiguous"),
        (200, "ambiguous"),
        (204, "ambiguous"),
        (300, "refused"),
        (301, "refused"),
        (302, "transient"),
        (303, "transient"),
        (304, "refused"),
        (307, "transient"),
        (308, "refused"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (404, "refused"),
        (405, "refused"),
        (407, "refused"),
        (408, "transient"),
        (410, "refused"),
        (425, "transient"),
        (429, "transient"),
        (500, "ambiguous"),
        (501, "refused"),
        (502, "ambiguous"),
        (503, "transient"),
        (504, "ambiguous"),
        (505, "refused"),
        (507, "ambiguous"),
        (511, "transient"),
        (520, "ambiguous"),
        (522, "ambiguous"),
        (524, "ambiguous"),
        (529, "ambiguous"),
        (599, "ambiguous"),
        (999, "ambiguous"),
    ] {
        assert_eq!(meaning(status, "").name(), expected, "{status}");
    }
    // Whatever stands in its body, a failing server may have consumed the token.
    for status in [500, 502, 504, 520] {
        assert_eq!(meaning(status, error("invalid_grant", "")).name(), "ambiguous");
        assert_eq!(interpret(&html(status), now()).name(), "ambiguous");
    }
    for status in [429, 503] {
        assert_eq!(meaning(status, PLAIN).name(), "transient");
    }
    // The TypeScript SDK's proxy leaves no more of a refusal than its number: who was behind it has answered.
    for (behind, expected) in [
        ("400", "dead"),
        ("401", "dead"),
        ("403", "dead"),
        ("429", "transient"),
        ("500", "ambiguous"),
        ("503", "ambiguous"),
        ("4000", "ambiguous"),
    ] {
        let proxied = error("server_error", &format!("Token refresh failed: {behind}"));
        for status in [500, 503, 400] {
            let answer = meaning(status, proxied.clone());
            assert_eq!(answer.name(), expected, "{behind} behind {status}: {answer:?}");
            assert!(format!("{answer:?}").contains(&format!("Token refresh failed: {behind}")), "{answer:?}");
        }
    }
    // A 503 from inside the server is no door that was shut.
    assert_eq!(meaning(503, error("server_error", "")).name(), "ambiguous");
    assert_eq!(meaning(503, error("temporarily_unavailable", "")).name(), "transient");
}

#[test]
fn a_missing_endpoint_is_told_by_its_code() {
    for status in [404, 405, 410] {
        for body in ["", "not here", r#"{"error":"not_found"}"#, "<html>"] {
            let Answer::Refused { code, .. } = meaning(status, body) else { panic!("{status} {body}") };
            assert_eq!(code, format!("http_{status}"));
        }
    }
}

#[test]
fn a_page_is_no_answer_of_the_token_endpoint() {
    assert_eq!(interpret(&html(200), now()).name(), "transient");
    assert_eq!(meaning(200, " <html>").name(), "transient");
    for status in [400, 401, 403] {
        let Answer::Refused { code, detail } = interpret(&html(status), now()) else { panic!("{status}") };
        assert_eq!(code, format!("http_{status}"));
        assert!(detail.contains("web page") && !detail.contains("log in"), "{detail}");
    }
}

#[test]
fn a_cut_answer_is_ambiguous_and_says_nothing_of_its_body() {
    for end in 1..PLAIN.len() {
        let answer = meaning(200, &PLAIN[..end]);
        let (name, text) = line(&answer);
        assert_eq!(name, "ambiguous", "{end}");
        assert!(!text.contains("at_n") && !text.contains("rt_n"), "{text}");
    }
    assert!(matches!(meaning(200, &PLAIN[..60]), Answer::Ambiguous { lost: true, .. }));
    let page = "<html><script>var access_token = null</script>";
    assert_eq!(
        meaning(200, page).name(),
        "ambiguous",
        "where a token may be in it, it is no login page for certain"
    );
    assert_eq!(meaning(200, r#"{"access_token":""}"#).name(), "ambiguous");
    assert_eq!(meaning(200, r#"{"hello":"world"}"#).name(), "ambiguous");
}

#[test]
fn a_pause_is_handed_on() {
    for status in [429, 503] {
        let answer = RawAnswer { retry_after: Some("17".to_owned()), ..RawAnswer::new(status, "") };
        let Answer::Transient { retry_after, .. } = interpret(&answer, now()) else { panic!("{status}") };
        assert_eq!(retry_after, Some(Duration::from_secs(17)));
    }
    let date = RawAnswer {
        retry_after: Some("Fri, 20 Nov 2026 12:02:00 GMT".to_owned()),
        ..RawAnswer::new(503, "")
    };
    let Answer::Transient { retry_after, .. } = interpret(&date, now()) else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(120)));
}

#[test]
fn a_redirect_is_named_without_what_it_carries() {
    let to = |location: &str| RawAnswer { location: Some(location.to_owned()), ..RawAnswer::new(308, "") };
    let (_, text) = line(&interpret(&to("https://user:pw@b.example:8443/path?token=rt_new#x"), now()));
    assert!(text.contains("https://b.example:8443,"), "{text}");
    assert!(!text.contains("rt_new") && !text.contains("pw") && !text.contains("path?"), "{text}");
    for location in ["/elsewhere?x=1", "", "::", "javascript:alert(1)"] {
        assert_eq!(interpret(&to(location), now()).name(), "refused", "{location}");
    }
}

#[test]
fn codes_and_texts_are_shown_as_the_server_wrote_them_if_they_are_harmless() {
    assert_eq!(
        line(&meaning(400, error("invalid_grant", "Grant not found"))).1,
        "invalid_grant: Grant not found"
    );
    assert_eq!(
        line(&meaning(400, r#"{"error":"refresh_token_already_used"}"#)).1,
        "refresh_token_already_used: no reason given (HTTP 400)"
    );
    assert_eq!(line(&meaning(400, error("\u{1b}[2Jweird", "a\u{1b}]0;x\u{7}b"))).1, "[2Jweird: a]0;xb");
    let echoed = error("x".repeat(40).as_str(), "token rt_0123456789abcdefghijklmnop is not known");
    assert_eq!(line(&meaning(400, echoed)).1, "http_400: token … is not known");
}

#[test]
fn a_failure_to_send_is_an_answer_too() {
    let lost = |error| matches!(Answer::from(error), Answer::Ambiguous { lost: true, .. });
    let why = || "x".to_owned();
    assert!(lost(crate::SendError::Lost { why: why() }));
    assert!(!lost(crate::SendError::TimedOut { why: why() }));
    let unsent = crate::SendError::Unsent { why: why(), kind: crate::UnsentKind::Dns };
    assert_eq!(Answer::from(unsent), Answer::Unsent { why: why() });
}

#[test]
fn no_formatting_shows_a_token() {
    let raw = RawAnswer::new(200, PLAIN);
    for shown in [format!("{raw:?}"), format!("{:?}", interpret(&raw, now()))] {
        assert!(!shown.contains("at_new") && !shown.contains("rt_new"), "{shown}");
    }
}

#[test]
fn a_journal_gives_back_what_it_took() {
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
