//! Peers that want another server's refresh token, or the agent's end: what docs/security.md promises against them.

use crate::support::peer::{Peer, entry, home_with, text};
use crate::support::{Daemon, Home, PATIENCE};
use scripted_server::{Answer, HttpReply, Script, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const EXPIRED: Duration = Duration::ZERO;

/// Waits until every server had a result or needs a person.
fn settled(home: &Home) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = home.status();
        let done =
            |server: &Value| server["state"] == "action_required" || server["last_refresh"] != Value::Null;
        if status["servers"].as_array().unwrap().iter().all(done) {
            return status;
        }
        assert!(Instant::now() < end, "{status:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn state_of(status: &Value, name: &str) -> String {
    let servers = status["servers"].as_array().unwrap();
    servers.iter().find(|server| server["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
}

/// Everything a person may see of it, with the log.
fn everything_said(home: &Home, daemon: Daemon) -> String {
    let mut said = String::new();
    for command in
        ["status", "status --json", "doctor --offline", "doctor --offline --json", "history", "check"]
    {
        let (_, out, err) = home.told(&command.split(' ').collect::<Vec<_>>());
        said.extend([out, err]);
    }
    let (_, log) = daemon.terminate();
    said + &log
}

#[test]
fn a_server_that_claims_another_ones_issuer_gets_no_token() {
    let server = Server::start(Script::default()).unwrap();
    let victim = server.add("victim", Script::default());
    let (issuer, grant) = (victim.url(), victim.grant(EXPIRED));
    // It names the victim's issuer in the metadata of its own origin, and of an authorization server of its own.
    let thief = Peer::start(move |base, path| match path {
        "/.well-known/oauth-protected-resource/named/mcp" => {
            let servers = [format!("{base}/server")];
            text(
                200,
                &json!({"resource": format!("{base}/named/mcp"), "authorization_servers": servers})
                    .to_string(),
            )
        }
        path if path.starts_with("/.well-known/oauth-authorization-server") => {
            text(200, &json!({"issuer": issuer, "token_endpoint": format!("{base}/steal")}).to_string())
        }
        path if path.starts_with("/.well-known/") => text(404, ""),
        _ => text(200, r#"{"access_token":"at_of_thief","token_type":"Bearer","expires_in":3600}"#),
    });
    let claims = [
        entry("own", &thief.url("/mcp"), json!({})),
        entry("named", &thief.url("/named/mcp"), json!({})),
        // A login at the victim, whose server now wants it to be refreshed elsewhere.
        entry("was-at-victim", &thief.url("/named/mcp"), json!({"issuer": victim.url()})),
    ];
    let home = home_with(&[("victim", &grant)], claims);
    let daemon = home.daemon();
    let status = settled(&home);
    assert_eq!(state_of(&status, "victim"), "fresh", "{status:#}");
    let requests = thief.requests();
    assert!(!requests.is_empty(), "the thief was not asked at all");
    for request in requests {
        assert!(request.starts_with("GET ") && !request.contains("rt_"), "{request}");
    }
    let presented =
        |token: &str| server.log().iter().any(|entry| entry.field("refresh_token") == Some(token));
    assert!(presented(&grant.refresh_token));
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_token_endpoint_that_moves_to_another_origin_gets_no_token() {
    let server = Server::start(Script::default()).unwrap();
    let site = server.add("lab", Script::default());
    let thief = Peer::start(|_, _| text(200, r#"{"access_token":"a","token_type":"Bearer"}"#));
    let home = Home::with([("lab", &site.grant(EXPIRED))]);
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("lab: refreshed");
    // The known endpoint is gone, and the metadata name another one.
    site.set(|script| script.token_endpoint = Some(thief.url("/token")));
    site.answer_always(Answer::reply(HttpReply { status: 404, ..HttpReply::default() }));
    home.told(&["refresh", "lab", "--force"]);
    home.told(&["refresh", "lab", "--force"]);
    let (code, told, _) = home.told(&["status", "lab"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains(&thief.url("")) && told.contains("log in again only if you trust that"), "{told}");
    assert_eq!(thief.requests(), Vec::<String>::new());
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_redirect_of_the_token_endpoint_takes_the_token_nowhere() {
    let server = Server::start(Script::default()).unwrap();
    let thief = Peer::start(|_, _| text(200, r#"{"access_token":"a","token_type":"Bearer"}"#));
    let mut grants = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let site = server.add(&format!("to-{status}"), Script::default());
        let headers = BTreeMap::from([("Location".to_owned(), thief.url("/token"))]);
        site.answer_always(Answer::reply(HttpReply { status, headers, ..HttpReply::default() }));
        grants.push((site.name().to_owned(), site.grant(EXPIRED)));
    }
    let home = Home::with(grants.iter().map(|(name, grant)| (name.as_str(), grant)));
    let daemon = home.daemon();
    settled(&home);
    assert_eq!(thief.requests(), Vec::<String>::new());
    for (name, grant) in &grants {
        assert!(home.stored().contains(&grant.refresh_token), "{name} lost its token");
    }
    assert!(daemon.terminate().0.success());
}

#[test]
fn what_a_server_says_never_moves_the_cursor() {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\n2026-01-01T00:00:00Z ERROR forged\u{202e}\u{8}\u{0}";
    let server = Server::start(Script::default()).unwrap();
    let said: Vec<(&str, Answer)> = vec![
        ("description", Answer::error(400, "invalid_request", evil)),
        ("code", Answer::error(400, &format!("bad{evil}"), "")),
        ("dead", Answer::error(400, "invalid_grant", evil)),
        ("client", Answer::error(401, "invalid_client", evil)),
        ("slack", Answer::slack(evil)),
        (
            "page",
            Answer::reply(HttpReply {
                status: 403,
                content_type: "text/html".into(),
                body: format!("<title>{evil}</title>{evil}"),
                ..HttpReply::default()
            }),
        ),
        ("success", {
            let body =
                json!({"access_token": "at_0e51", "token_type": evil, "expires_in": evil, "scope": evil});
            Answer::reply(HttpReply::json(200, &body.to_string()))
        }),
    ];
    let mut grants: Vec<_> = said
        .into_iter()
        .map(|(name, answer)| {
            let site = server.add(name, Script::default());
            site.answer_always(answer);
            (name.to_owned(), site.grant(EXPIRED))
        })
        .collect();
    let issuer = server
        .add("issuer", Script { issuer: Some(format!("https://a.example/{evil}")), ..Script::default() });
    let moved =
        server.add("moved", Script { token_endpoint: Some(format!("http://{evil}/")), ..Script::default() });
    grants.extend([("issuer".into(), issuer.grant(EXPIRED)), ("moved".into(), moved.grant(EXPIRED))]);
    let home = home_with(
        &grants.iter().map(|(name, grant)| (name.as_str(), grant)).collect::<Vec<_>>(),
        [entry(evil, "https://nowhere.invalid/mcp", json!({"refreshToken": ""}))],
    );
    home.configure("[notices]\nhook = 'env -0 >> hooked'\n");
    let mut command = home.command(&["run"]);
    command.current_dir(home.path());
    let mut daemon = Daemon::start(command);
    daemon.wait_for("started (process");
    let end = Instant::now() + PATIENCE;
    let hooked = || std::fs::read_to_string(home.path().join("hooked")).unwrap_or_default();
    while !(hooked().contains("=dead\0") && hooked().contains("=client\0")) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    for (name, _) in &grants {
        let (_, out, err) = home.told(&["status", name]);
        assert_eq!((harm(&out), harm(&err)), (None, None));
    }
    let said = everything_said(&home, daemon);
    assert!(said.contains("invalid_grant"), "{said}");
    assert_eq!(harm(&said), None);
    // No line of the log is the server's own.
    assert!(said.lines().all(|line| !line.starts_with("2026-01-01T00:00:00Z")), "{said}");
    let hooked = hooked();
    assert!(hooked.contains("MCP_REFRESHD_WHY="), "{hooked:?}");
    assert_eq!(harm(&hooked.replace('\0', "\n")), None);
}

/// A line with something else in it than text.
fn harm(text: &str) -> Option<&str> {
    let harmful = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    text.split('\n').find(|line| line.contains(harmful))
}

#[test]
fn nothing_in_an_entry_adds_a_header_or_a_parameter_to_a_request() {
    let evil = "x\r\nX-Evil: 1\r\n\r\nPOST /evil HTTP/1.1\r\nX-Evil: 2&grant_type=evil&x=y z";
    let peer = Peer::start(|base, path| match path {
        "/.well-known/oauth-authorization-server" => text(
            200,
            &json!({
                "issuer": base, "token_endpoint": format!("{base}/token"),
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"]
            })
            .to_string(),
        ),
        "/token" => text(400, r#"{"error":"invalid_request"}"#),
        _ => text(404, ""),
    });
    let url = peer.url("/mcp");
    let of = |member: &str| entry(member, &url, json!({ member: evil }));
    let mut others: Vec<_> = ["refreshToken", "clientId", "scope", "redirectUri"].map(of).into();
    others.push(entry("secret", &url, json!({"clientId": evil, "clientSecret": evil})));
    others.push(entry("query", &format!("{url}?a={}", evil.replace("\r\n", "%0d%0a")), json!({})));
    let posts = |peer: &Peer| {
        peer.requests().into_iter().filter(|request| request.starts_with("POST ")).collect::<Vec<_>>()
    };
    let home = home_with(&[], others.clone());
    let daemon = home.daemon();
    settled(&home);
    assert!(posts(&peer).len() >= others.len(), "{:#?}", peer.requests());
    for request in peer.requests() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let of_ours = [
            "accept:",
            "accept-encoding:",
            "content-type:",
            "user-agent:",
            "host:",
            "content-length:",
            "authorization:",
        ];
        let known = |line: &str| of_ours.iter().any(|name| line.to_lowercase().starts_with(name));
        assert!(head.lines().skip(1).all(known), "{request}");
        let types = url::form_urlencoded::parse(body.as_bytes()).filter(|(name, _)| name == "grant_type");
        let types: Vec<_> = types.map(|(_, value)| value.into_owned()).collect();
        assert!(
            types.is_empty() == request.starts_with("GET ")
                && types.iter().all(|kind| kind == "refresh_token"),
            "{request}"
        );
        assert!(!body.contains('\r') && !body.contains('\n'), "{request}");
    }
    assert!(daemon.terminate().0.success());
}
