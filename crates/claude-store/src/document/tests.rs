use super::*;
use crate::{ExpiresAt, StubKind};

/// An entry as the client writes it after a login (measured).
const LAB: &str = r#"{"serverName":"lab","serverUrl":"http://127.0.0.1:9000/mcp","accessToken":"at_1","discoveryState":{"authorizationServerUrl":"http://127.0.0.1:9000","oauthMetadataFound":true,"authServerMetadataUrl":null},"clientId":"cl_1","issuer":"http://127.0.0.1:9000","redirectUri":"http://localhost:52363/callback","refreshToken":"rt_1","expiresAt":1795381774631,"scope":"mcp offline_access"}"#;

fn document_of(entry: &str) -> String {
    format!(r#"{{"claudeAiOauth":{{"accessToken":"not ours"}},"mcpOAuth":{{"lab|00":{entry}}}}}"#)
}

fn only_entry(entry: &str) -> Result<Entry, String> {
    let text = document_of(entry);
    let document = Document::parse(text.as_bytes()).unwrap();
    match document.problems() {
        [] => Ok(document.entry(&"lab|00".into()).unwrap().clone()),
        [problem] => Err(problem.to_string()),
        more => panic!("{more:?}"),
    }
}

fn error_of(bytes: &[u8]) -> DocumentError {
    Document::parse(bytes).unwrap_err()
}

#[test]
fn an_entry_is_read_as_the_client_writes_it() {
    let entry = only_entry(LAB).unwrap();
    assert_eq!(entry.server_name, "lab");
    assert_eq!(entry.server_url.as_deref(), Some("http://127.0.0.1:9000/mcp"));
    assert_eq!(entry.access_token.as_ref().unwrap().expose(), "at_1");
    assert_eq!(entry.refresh_token.as_ref().unwrap().expose(), "rt_1");
    assert_eq!(entry.expires_at, ExpiresAt::At(1_795_381_774_631));
    assert_eq!(entry.client_id.as_deref(), Some("cl_1"));
    assert_eq!(entry.scope.as_deref(), Some("mcp offline_access"));
    assert_eq!(entry.discovery.authorization_server_url.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(entry.discovery.auth_server_metadata_url, None);
    assert!(!entry.is_stub());
}

#[test]
fn the_metadata_found_flag_is_read_and_ignored_if_it_has_another_type() {
    for (said, expected) in
        [("true", Some(true)), ("false", Some(false)), ("null", None), ("\"no\"", None), ("0", None)]
    {
        let entry =
            only_entry(&format!(r#"{{"accessToken":"a","discoveryState":{{"oauthMetadataFound":{said}}}}}"#));
        assert_eq!(entry.unwrap().discovery.oauth_metadata_found, expected, "{said}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let text = document_of(LAB);
    let document = Document::parse(text.as_bytes()).unwrap();
    for shown in [format!("{document:?}"), format!("{:?}", document.entry(&"lab|00".into()))] {
        assert!(!shown.contains("at_1") && !shown.contains("rt_1"), "{shown}");
    }
}

#[test]
fn the_two_kinds_of_stubs_are_told_apart() {
    let failed = r#"{"serverName":"lab","accessToken":"","expiresAt":0,"clientId":"c"}"#;
    assert_eq!(only_entry(failed).unwrap().stub_kind(), Some(StubKind::FailedRefresh));
    let logged_out = r#"{"serverName":"lab","accessToken":"","discoveryState":{"tokenlessRejectedAt":7}}"#;
    let logged_out = only_entry(logged_out).unwrap();
    assert_eq!(logged_out.stub_kind(), Some(StubKind::LoggedOut));
    assert_eq!(logged_out.discovery.tokenless_rejected_at, Some(7));
    assert_eq!(only_entry(LAB).unwrap().stub_kind(), None);
}

#[test]
fn every_json_number_is_a_valid_expiry() {
    let expiry = |raw: &str| only_entry(&format!(r#"{{"expiresAt":{raw}}}"#)).unwrap().expires_at;
    assert_eq!(expiry("1795381774631.75"), ExpiresAt::At(1_795_381_774_631));
    assert_eq!(expiry("1.795381774631e12"), ExpiresAt::At(1_795_381_774_631));
    assert_eq!(expiry("0"), ExpiresAt::Zero);
    assert_eq!(expiry("-5"), ExpiresAt::Zero);
    assert_eq!(expiry("0.4"), ExpiresAt::Zero);
    assert_eq!(expiry("null"), ExpiresAt::Absent);
    assert_eq!(expiry("1e400"), ExpiresAt::At(8_640_000_000_000_000));
    assert_eq!(expiry("-1e400"), ExpiresAt::Zero);
    assert_eq!(expiry("123456789012345678901234567890"), ExpiresAt::At(8_640_000_000_000_000));
}

#[test]
fn empty_and_null_tokens_count_as_absent() {
    let entry = only_entry(r#"{"accessToken":"","refreshToken":null,"clientSecret":""}"#).unwrap();
    assert!(entry.access_token.is_none() && entry.refresh_token.is_none() && entry.client_secret.is_none());
    assert_eq!(entry.server_name, "lab");
}

#[test]
fn the_client_secret_comes_from_the_entry_or_else_from_the_client_configuration() {
    let text = r#"{"mcpOAuth":{"a|0":{},"b|0":{"clientSecret":"own"}},
        "mcpOAuthClientConfig":{"a|0":{"clientSecret":"configured"},"b|0":{"clientSecret":"other"},"c":7}}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let secret = |key: &str| document.entry(&key.into()).unwrap().client_secret.clone().unwrap();
    assert_eq!(secret("a|0").expose(), "configured");
    assert_eq!(secret("b|0").expose(), "own");
}

#[test]
fn a_malformed_client_configuration_is_ignored() {
    for odd in ["null", "7", "[]", r#"{"lab|00":{"clientSecret":7}}"#] {
        let text = format!(r#"{{"mcpOAuthClientConfig":{odd},"mcpOAuth":{{"lab|00":{LAB}}}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.entry(&"lab|00".into()).unwrap().client_secret, None, "{odd}");
    }
}

#[test]
fn an_entry_with_a_wrong_type_is_a_problem_and_does_not_affect_others() {
    for (bad, why) in [
        (r#"{"accessToken":7}"#, "`accessToken` must be a string, not a number"),
        (r#"{"refreshToken":["secret-x"]}"#, "`refreshToken` must be a string, not an array"),
        (r#"{"expiresAt":"secret-x"}"#, "`expiresAt` must be a number, not a string"),
        (r#"{"discoveryState":"secret-x"}"#, "`discoveryState` must be an object, not a string"),
        (r#"{"scope":{}}"#, "`scope` must be a string, not an object"),
        (r#"{"serverName":true}"#, "`serverName` must be a string, not true or false"),
        (r#"{"serverName":"\ud800"}"#, "`serverName` contains an invalid escape"),
        (r#""secret-x""#, "the entry must be an object, not a string"),
        ("null", "the entry must be an object, not null"),
        (r#"{"x":1,"x":2}"#, "the entry has a repeated member"),
    ] {
        let text = format!(r#"{{"mcpOAuth":{{"bad|0":{bad},"lab|00":{LAB}}}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.entries().count(), 1, "{bad}");
        assert!(document.entry(&"bad|0".into()).is_none());
        assert_eq!(document.raw_entry(&"bad|0".into()), Some(bad));
        assert_eq!(document.problems().len(), 1);
        assert_eq!(document.problems()[0].to_string(), format!("entry `bad|0`: {why}"));
    }
}

#[test]
fn a_repeated_key_is_one_problem() {
    let text = format!(r#"{{"mcpOAuth":{{"x|0":{LAB},"lab|00":{LAB},"x|0":{{}},"\u0078|0":{{}}}}}}"#);
    let document = Document::parse(text.as_bytes()).unwrap();
    let keys: Vec<_> = document.entries().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["lab|00"]);
    assert_eq!(document.problems().len(), 1);
    assert_eq!(document.raw_entry(&"x|0".into()), Some("{}"));
}

#[test]
fn a_key_with_a_lone_surrogate_does_no_harm() {
    let text = format!(r#"{{"mcpOAuth":{{"\ud83d|0":{{}},"lab|00":{LAB}}}}}"#);
    assert!(Document::parse(text.as_bytes()).unwrap().entry(&"lab|00".into()).is_some());
}

#[test]
fn an_account_login_is_known_by_its_member_alone() {
    let has = |text: &str| Document::parse(text.as_bytes()).unwrap().has_account_login();
    assert!(has(r#"{"claudeAiOauth":{}}"#) && has(&document_of(LAB)));
    assert!(!has("{}") && !has(r#"{"claudeAiOauth":null}"#) && !has(r#"{"other":{"claudeAiOauth":{}}}"#));
}

#[test]
fn a_document_without_entries_is_valid() {
    for text in ["{}", r#"{"claudeAiOauth":{}}"#, r#" { "mcpOAuth" : { } } "#] {
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.entries().count(), 0);
        assert!(document.problems().is_empty());
    }
}

#[test]
fn parse_errors_give_the_position_but_not_the_content() {
    let cases: [(&[u8], DocumentError); 14] = [
        (b"", DocumentError::Empty),
        (b" \n", DocumentError::Empty),
        (b"{\"mcpOAuth\":{\"secret-x", DocumentError::CutOff { line: 1, column: 22 }),
        (b"{\n\"mcpOAuth\":", DocumentError::CutOff { line: 2, column: 11 }),
        (b"{\"a\":1}x", DocumentError::NotJson { line: 1, column: 8 }),
        (b"{\"a\":secret-x}", DocumentError::NotJson { line: 1, column: 6 }),
        (b"\xef\xbb\xbf{}", DocumentError::ByteOrderMark),
        (b"{\"a\":\"\xff\"}", DocumentError::NotUtf8 { offset: 6 }),
        (b"{\"a\":1}\0\0\0", DocumentError::NulBytes { offset: 7 }),
        (b"\0\0\0\0", DocumentError::NulBytes { offset: 0 }),
        (b"[\"secret-x\"]", DocumentError::NotAnObject { found: "an array" }),
        (b"\"secret-x\"", DocumentError::NotAnObject { found: "a string" }),
        (b"{\"mcpOAuth\":\"secret-x\"}", DocumentError::EntriesNotAnObject { found: "a string" }),
        (b"{\"mcpOAuth\":{},\"mcp\\u004fAuth\":{}}", DocumentError::EntriesTwice),
    ];
    for (bytes, expected) in cases {
        let error = error_of(bytes);
        assert_eq!(error, expected, "{}", String::from_utf8_lossy(bytes));
        assert!(!error.to_string().contains("secret-x"), "{error}");
    }
}

#[test]
fn nesting_a_hundred_and_a_hundred_thousand_deep_is_skipped_over() {
    for depth in [100, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text =
            format!(r#"{{"deep":{deep},"mcpOAuth":{{"lab|00":{{"accessToken":"at","deep":{deep}}}}}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        assert!(document.entry(&"lab|00".into()).is_some());
    }
}

#[test]
fn a_split_document_says_so_and_its_stubs_are_inconclusive() {
    let text = r#"{"mcpOAuth":{"lab|00":{"accessToken":"at_lab","refreshToken":"rt_lab"},"stub|00":{"accessToken":""}},"keychainOverflow":{"slot":"a","key":"AAAA"}}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(document.incomplete(), Some(&Incomplete::OutOfReach));
    assert_eq!(document.entries().count(), 1);
    let problems: Vec<_> = document.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(problems, ["stub|00"]);
    for whole in
        [text.replace(r#"{"slot":"a","key":"AAAA"}"#, "null"), text.replace("keychainOverflow", "later")]
    {
        let document = Document::parse(whole.as_bytes()).unwrap();
        assert_eq!((document.incomplete(), document.entries().count()), (None, 2), "{whole}");
    }
}
