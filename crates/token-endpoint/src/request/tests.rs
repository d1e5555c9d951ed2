use super::*;
use std::collections::BTreeMap;

fn request() -> RefreshRequest {
    RefreshRequest {
        token_endpoint: Url::parse("https://a.example/oauth/token?tenant=7").unwrap(),
        refresh_token: RefreshToken::new("rt_made+up/&="),
        client_id: Some("cl_1".to_owned()),
        client_secret: None,
        auth: ClientAuth::None,
        shape: RequestShape::default(),
        resource: "https://m.example/mcp".to_owned(),
        scope: Some("mcp  offline_access".to_owned()),
    }
}

fn form(request: &reqwest::Request) -> BTreeMap<String, String> {
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap();
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_form_is_the_one_claude_code_sends() {
    let http = request().to_http().unwrap();
    assert_eq!(http.method(), "POST");
    assert_eq!(http.url().as_str(), "https://a.example/oauth/token?tenant=7");
    assert_eq!(http.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(http.headers()["accept"], "application/json");
    assert!(!http.headers().contains_key("authorization"));
    assert_eq!(
        form(&http),
        expected(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "rt_made+up/&="),
            ("client_id", "cl_1"),
            ("resource", "https://m.example/mcp"),
        ])
    );
}

#[test]
fn the_shape_takes_the_resource_away_and_adds_the_scope() {
    let request =
        RefreshRequest { shape: RequestShape { resource: false, own_url: false, scope: true }, ..request() };
    let form = form(&request.to_http().unwrap());
    assert!(!form.contains_key("resource"));
    assert_eq!(form["scope"], "mcp offline_access");
}

#[test]
fn a_secret_goes_where_the_method_says() {
    let with = |auth| RefreshRequest { client_secret: Some(ClientSecret::new("se cret")), auth, ..request() };

    let basic = with(ClientAuth::Basic).to_http().unwrap();
    // base64 of "cl_1:se+cret": id and secret are form-encoded first (RFC 6749, section 2.3.1).
    assert_eq!(basic.headers()["authorization"], "Basic Y2xfMTpzZStjcmV0");
    assert!(!form(&basic).contains_key("client_secret"));
    assert!(
        !form(&basic).contains_key("client_id"),
        "workers-oauth-provider 1.2.3 takes that for a second method"
    );

    let and_id = with(ClientAuth::BasicAndId).to_http().unwrap();
    assert_eq!(and_id.headers()["authorization"], basic.headers()["authorization"]);
    assert!(!form(&and_id).contains_key("client_secret"));
    assert_eq!(form(&and_id)["client_id"], "cl_1", "mcp 2.3.0 wants it in the body, too");

    let plain = with(ClientAuth::BasicPlain).to_http().unwrap();
    // base64 of "cl_1:se cret".
    assert_eq!(plain.headers()["authorization"], "Basic Y2xfMTpzZSBjcmV0");
    assert!(!form(&plain).contains_key("client_secret") && !form(&plain).contains_key("client_id"));

    let post = with(ClientAuth::Post).to_http().unwrap();
    assert!(!post.headers().contains_key("authorization"));
    assert_eq!(
        (form(&post)["client_id"].as_str(), form(&post)["client_secret"].as_str()),
        ("cl_1", "se cret")
    );

    let none = with(ClientAuth::None).to_http().unwrap();
    assert!(!none.headers().contains_key("authorization") && !form(&none).contains_key("client_secret"));
}

#[test]
fn a_request_without_a_client_names_none() {
    let http = RefreshRequest { client_id: None, ..request() }.to_http().unwrap();
    assert_eq!(
        form(&http),
        expected(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "rt_made+up/&="),
            ("resource", "https://m.example/mcp"),
        ])
    );
}

#[test]
fn a_token_is_sent_over_https_or_on_this_machine_only() {
    let to = |endpoint: &str, resource: &str| {
        let token_endpoint = Url::parse(endpoint).unwrap();
        RefreshRequest { token_endpoint, resource: resource.to_owned(), ..request() }.to_http()
    };
    assert!(to("http://127.0.0.1:9/token", "http://localhost:8/mcp").is_ok());
    assert!(to("http://[::1]:9/token", "http://127.0.0.2/mcp").is_ok());
    for (endpoint, resource) in [
        ("http://a.example/token", "http://localhost/mcp"),
        ("http://127.0.0.1:9/token", "https://m.example/mcp"),
        ("http://localhost.a.example/token", "http://localhost/mcp"),
        ("https://user:pass@a.example/token", "https://m.example/mcp"),
        ("ftp://a.example/token", "https://m.example/mcp"),
    ] {
        let Err(SendError::Unsent { why, kind: UnsentKind::NotAllowed }) = to(endpoint, resource) else {
            panic!("{endpoint} for {resource} was allowed");
        };
        assert!(!why.contains("pass@") && !why.contains("rt_made"), "{why}");
    }
}

#[test]
fn a_client_with_a_secret_puts_it_into_the_body_first_and_into_the_header_next() {
    use ClientAuth::{Basic, BasicPlain, None, Post};
    let methods = |methods: &[&str], secret: Option<&str>| {
        let methods: Vec<String> = methods.iter().map(|method| (*method).to_owned()).collect();
        ClientAuth::to_try(&methods, Some("cl_1"), secret.map(ClientSecret::new).as_ref())
    };
    assert_eq!(methods(&[], Some("se")), [Basic, Post]);
    assert_eq!(methods(&["client_secret_basic", "client_secret_post"], Some("se")), [Basic, Post]);
    assert_eq!(methods(&["client_secret_basic"], Some("se")), [Basic, Post]);
    assert_eq!(methods(&["private_key_jwt"], Some("se")), [Basic, Post]);
    assert_eq!(methods(&["none"], Some("se")), [None, Basic, Post]);
    assert_eq!(methods(&["none", "client_secret_post"], Some("se")), [Post, Basic]);
    // Servers that compare without form decoding see another secret only where encoding changes it.
    assert_eq!(methods(&[], Some("se+cret/=")), [BasicPlain, Basic, Post]);
    assert_eq!(methods(&["client_secret_basic"], Some("se cret")), [BasicPlain, Basic, Post]);
    for offered in [&[][..], &["client_secret_basic"], &["none"]] {
        assert_eq!(methods(offered, Option::None), [None], "a public client has one way only");
    }
}

#[test]
fn a_server_that_misses_the_id_in_the_body_says_so() {
    let refused =
        |code: &str, detail: &str| Answer::Refused { code: code.to_owned(), detail: detail.to_owned() };
    let gone =
        |detail: &str| Answer::ClientDead { code: "invalid_client".to_owned(), detail: detail.to_owned() };
    for answer in
        [gone("Missing client_id"), refused("invalid_request", "The client ID parameter is required")]
    {
        assert!(asks_for_client_id(&answer), "{answer:?}");
    }
    for answer in [gone("Invalid client_id"), gone(""), refused("invalid_request", "resource is required")] {
        assert!(!asks_for_client_id(&answer), "{answer:?}");
    }
}

#[test]
fn an_answer_is_asked_for_as_it_is_uncompressed() {
    assert_eq!(request().to_http().unwrap().headers()["accept-encoding"], "identity");
}

#[test]
fn no_formatting_shows_a_secret() {
    let request = RefreshRequest { client_secret: Some(ClientSecret::new("se cret")), ..request() };
    let shown = format!("{request:?}");
    assert!(!shown.contains("rt_made") && !shown.contains("se cret"), "{shown}");
}
