//! Lifetimes of access and refresh tokens.

use super::*;

#[test]
fn an_implausible_lifetime_counts_as_unknown() {
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
fn an_absolute_expiry_is_converted_to_a_lifetime() {
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
fn the_earlier_of_expires_in_and_the_tokens_own_expiry_counts() {
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
fn a_refresh_tokens_own_expiry_is_used_if_the_response_states_none() {
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
