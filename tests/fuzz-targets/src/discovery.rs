use crate::head::head;
use crate::now_or_never::now_or_never;
use crate::plain;
use std::cell::RefCell;
use std::net::IpAddr;
use token_endpoint::{Metadata, RawAnswer, SendError, ServerHints, discover_by};
use url::Url;

/// The whole search for a token endpoint: metadata of authorization servers and of protected resources, redirects among them.
///
/// Plain http goes only to this machine, and only for a server on this machine; no forbidden token endpoint is
/// returned. The result comes from a document that names the requested issuer, and the entry's if it names one. Nothing is
/// guessed if a server failed.
///
/// Input: the MCP server's URL; the entry's issuer; its `authorizationServerUrl`; the configured metadata URL; its
/// `resourceMetadataUrl`; then the answers in the order of the requests, each a status and a `Location` in a line, then the body, with
/// a line `---` between two. An answer `lost` is none. What is asked beyond them is answered by 404.
pub fn discovery(input: &[u8]) {
    let ([server, issuer, authorization_server, configured, resource], rest) = head(input);
    let present = |hint: String| (!hint.is_empty()).then_some(hint);
    let hints = ServerHints {
        server_url: server,
        issuer: present(issuer),
        authorization_server_url: present(authorization_server),
        auth_server_metadata_url: present(configured),
        resource_metadata_url: present(resource),
        metadata_found: None,
    };
    let rest = String::from_utf8_lossy(rest);
    let answers = RefCell::new(rest.split("\n---\n").filter(|answer| !answer.is_empty()));
    let asked = RefCell::new(Vec::new());
    let on_this_machine = Url::parse(&hints.server_url).is_ok_and(|server| is_loopback(&server));
    let get = async |url: &Url| {
        assert!(may_be_asked(url, on_this_machine), "{url} was asked");
        let answer = scripted(answers.borrow_mut().next().unwrap_or("404"));
        asked.borrow_mut().push((url.clone(), answer.clone().ok()));
        assert!(asked.borrow().len() < 200, "the search does not end");
        answer
    };
    match now_or_never(discover_by(get, &hints)) {
        Ok(found) => found_rightly(&found, &hints, on_this_machine, &asked.borrow()),
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?}");
        }
    }
}

fn scripted(text: &str) -> Result<RawAnswer, SendError> {
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    if line == "lost" {
        return Err(SendError::Lost { why: "lost".to_owned() });
    }
    let (status, location) = line.split_once(' ').unwrap_or((line, ""));
    let location = (!location.is_empty()).then(|| location.to_owned());
    let status = status.parse().ok().filter(|status| matches!(status, 200..=599)).unwrap_or(200);
    Ok(RawAnswer { location, ..RawAnswer::new(status, body) })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn may_be_asked(url: &Url, on_this_machine: bool) -> bool {
    let safe = url.scheme() == "https" || url.scheme() == "http" && on_this_machine && is_loopback(url);
    safe && url.username().is_empty() && url.password().is_none()
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn found_rightly(
    found: &Metadata,
    hints: &ServerHints,
    on_this_machine: bool,
    asked: &[(Url, Option<RawAnswer>)],
) {
    let entrys = hints.issuer.as_deref();
    assert!(may_be_asked(&found.token_endpoint, on_this_machine), "{}", found.token_endpoint);
    if let Some(issuer) = entrys {
        assert!(found.issuer.as_deref().is_some_and(|found| same(found, issuer)), "{found:?}");
    }
    let Ok(source) = Url::parse(&found.source) else {
        return guessed_rightly(found, hints, asked);
    };
    // The document that was believed: where the last request for its source led.
    let (_, answer) = asked.last().expect("something was asked");
    let body = answer.as_ref().map(|answer| answer.body.clone()).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(&body).map(str::trim) else { return };
    let text = text.trim_start_matches('\u{feff}').trim();
    let Some(members) = plain::members(text) else { return };
    let named = plain::last(text, &members, "issuer").and_then(plain::string);
    let endpoint = plain::last(text, &members, "token_endpoint").and_then(plain::string).unwrap_or_default();
    let mut endpoint = Url::parse(&endpoint).expect("the document names a token endpoint");
    endpoint.set_fragment(None);
    assert_eq!(endpoint, found.token_endpoint);

    let configured = hints.auth_server_metadata_url.as_deref().and_then(|url| Url::parse(url).ok());
    let is_place_of = |issuer: &str| Url::parse(issuer).is_ok_and(|issuer| is_well_known(&source, &issuer));
    match (named.as_deref(), entrys) {
        (Some(named), Some(entrys)) => {
            assert!(same(named, entrys), "{named} is not the entry's issuer");
            let from_store = hints.authorization_server_url.as_deref().is_some_and(is_place_of);
            assert!(is_place_of(named) || from_store || configured.as_ref() == Some(&source), "{source}");
        }
        (Some(named), None) => {
            assert!(is_place_of(named) || configured.as_ref() == Some(&source), "{named} at {source}");
        }
        (None, Some(entrys)) => assert!(is_place_of(entrys), "{source} names nobody"),
        (None, None) => {}
    }
}

/// RFC 8414, section 3.1; OpenID Connect Discovery, section 4.1.
fn is_well_known(place: &Url, issuer: &Url) -> bool {
    let path = issuer.path().trim_end_matches('/');
    let places = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ];
    let at = |path: &String| {
        // The path as a URL holds it.
        let mut place = issuer.clone();
        place.set_path(path);
        place.path().to_owned()
    };
    place.origin() == issuer.origin() && places.iter().map(at).any(|path| path == place.path())
}

/// `/token` by convention: only if no server failed, and on the entry's own server if it names one.
fn guessed_rightly(found: &Metadata, hints: &ServerHints, asked: &[(Url, Option<RawAnswer>)]) {
    assert_eq!(found.token_endpoint.path(), "/token");
    for (url, answer) in asked {
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        assert!(!matches!(status, 0 | 429 | 500..=599), "guessed though {url} answered {status}");
    }
    let origin =
        |url: &Option<String>| url.as_deref().and_then(|url| Url::parse(url).ok()).map(|url| url.origin());
    let known = origin(&hints.authorization_server_url).or_else(|| origin(&hints.issuer));
    if let Some(known) = known {
        assert_eq!(found.token_endpoint.origin(), known, "a place that the store does not name");
    }
}
