//! Everything but a new pair.

use super::*;

#[test]
fn responses_of_real_servers_are_understood() {
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
fn a_status_means_what_it_proves_about_the_token() {
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
fn a_missing_endpoint_has_its_own_code() {
    for status in [404, 405, 410] {
        for body in ["", "not here", r#"{"error":"not_found"}"#, "<html>"] {
            let Answer::Refused { code, .. } = meaning(status, body) else { panic!("{status} {body}") };
            assert_eq!(code, format!("http_{status}"));
        }
    }
}

#[test]
fn a_web_page_is_not_a_token_response() {
    assert_eq!(interpret(&html(200), now()).name(), "transient");
    assert_eq!(meaning(200, " <html>").name(), "transient");
    for status in [400, 401, 403] {
        let Answer::Refused { code, detail } = interpret(&html(status), now()) else { panic!("{status}") };
        assert_eq!(code, format!("http_{status}"));
        assert!(detail.contains("web page") && !detail.contains("log in"), "{detail}");
    }
}

#[test]
fn a_truncated_response_is_ambiguous_and_its_body_is_not_shown() {
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
fn a_retry_delay_is_passed_on() {
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
fn a_redirect_is_reported_without_its_path_and_query() {
    let to = |location: &str| RawAnswer { location: Some(location.to_owned()), ..RawAnswer::new(308, "") };
    let (_, text) = line(&interpret(&to("https://user:pw@b.example:8443/path?token=rt_new#x"), now()));
    assert!(text.contains("https://b.example:8443,"), "{text}");
    assert!(!text.contains("rt_new") && !text.contains("pw") && !text.contains("path?"), "{text}");
    for location in ["/elsewhere?x=1", "", "::", "javascript:alert(1)"] {
        assert_eq!(interpret(&to(location), now()).name(), "refused", "{location}");
    }
}

#[test]
fn harmless_codes_and_texts_are_shown_verbatim() {
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
fn a_send_error_is_an_answer_too() {
    let lost = |error| matches!(Answer::from(error), Answer::Ambiguous { lost: true, .. });
    let why = || "x".to_owned();
    assert!(lost(crate::SendError::Lost { why: why() }));
    assert!(!lost(crate::SendError::TimedOut { why: why() }));
    let unsent = crate::SendError::Unsent { why: why(), kind: crate::UnsentKind::Dns };
    assert_eq!(Answer::from(unsent), Answer::Unsent { why: why() });
}
