//! No token is ever seen outside its store, its token endpoint and the open journal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test tells and fails"
)]

mod support;

use scripted_server::{Answer, ClientAuth, DeadStyle, Delivery, Grant, HttpReply, Script, Server, Site};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Daemon, Home, PATIENCE};

const EXPIRED: Duration = Duration::ZERO;

/// Every token there ever was: what was granted, what came to the server, what stands in the store.
fn tokens(home: &Home, server: &Server, grants: &[(String, Grant)]) -> BTreeSet<String> {
    let mut tokens = BTreeSet::new();
    for (_, grant) in grants {
        tokens.extend([grant.access_token.clone(), grant.refresh_token.clone()]);
        tokens.extend(grant.client_secret.clone());
    }
    for entry in server.log() {
        for name in ["refresh_token", "client_secret"] {
            tokens.extend(entry.field(name).map(str::to_owned));
        }
        tokens.extend(entry.authorization);
    }
    let stored: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
    for entry in stored["mcpOAuth"].as_object().unwrap().values() {
        for name in ["accessToken", "refreshToken", "clientSecret"] {
            tokens.extend(entry[name].as_str().map(str::to_owned));
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// What of a token is in these bytes: its telling part, or something that looks like one the server made.
fn token_in(bytes: &[u8], tokens: &BTreeSet<String>) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    // The server's tokens end in sixteen hex digits of chance; the last eight are enough to know one by.
    let tails = tokens.iter().filter_map(|token| token.get(token.len().saturating_sub(8)..));
    tails.chain(["rt_0", "at_0", "cs_0"]).find(|part| text.contains(*part)).map(str::to_owned)
}

fn sites(server: &Server) -> Vec<(String, Site)> {
    let dead = |style| Script { dead_style: style, ..Script::default() };
    let scripts: Vec<(&str, Script)> = vec![
        ("good", Script::default()),
        ("jwt", Script { jwt: true, ..Script::default() }),
        ("post", Script { client_auth: ClientAuth::Post, ..Script::default() }),
        ("basic", Script { client_auth: ClientAuth::Basic, ..Script::default() }),
        ("slack", dead(DeadStyle::Slack)),
        ("atlassian", dead(DeadStyle::Atlassian)),
        ("zitadel", dead(DeadStyle::Zitadel)),
        ("fastmcp", dead(DeadStyle::Unauthorized)),
        ("lost", Script { answer: Answer::lost(), ..Script::default() }),
        ("cut", Script { answer: Answer::cut(120), ..Script::default() }),
        (
            "cut-early",
            Script { answer: Answer::default().delivered(Delivery::Cut { bytes: 60 }), ..Script::default() },
        ),
        (
            "busy",
            Script { answer: Answer::status(503).retry_after(Duration::from_secs(30)), ..Script::default() },
        ),
        ("broken", Script { answer: Answer::status(500).spending(), ..Script::default() }),
        ("portal", Script { answer: Answer::html(200), ..Script::default() }),
        (
            "elsewhere",
            Script { answer: Answer::redirect("http://127.0.0.1:9/?token=x"), ..Script::default() },
        ),
    ];
    scripts.into_iter().map(|(name, script)| (name.to_owned(), server.add(name, script))).collect()
}

/// Servers that say the token in their answers, in every place where an answer has words.
fn telltales(server: &Server) -> Vec<(String, Grant)> {
    let mut grants = Vec::new();
    let mut tell = |name: &str, answer: &dyn Fn(&Grant) -> Answer| {
        let site = server.add(name, Script::default());
        let grant = site.grant(EXPIRED);
        site.answer_always(answer(&grant));
        grants.push((name.to_owned(), grant));
    };
    tell("tells-description", &|grant| {
        Answer::error(400, "invalid_request", &format!("the token {} is wrong", grant.refresh_token))
    });
    tell("tells-code", &|grant| Answer::error(400, &grant.refresh_token, ""));
    tell("tells-dead", &|grant| {
        Answer::error(400, "invalid_grant", &format!("{} is dead", grant.refresh_token))
    });
    tell("tells-slack", &|grant| Answer::slack(&grant.refresh_token));
    tell("tells-page", &|grant| {
        let body = format!("<html><title>{}</title>{}</html>", grant.refresh_token, grant.access_token);
        Answer::reply(HttpReply {
            status: 403,
            content_type: "text/html".into(),
            body,
            ..HttpReply::default()
        })
    });
    tell("tells-body", &|grant| {
        Answer::reply(HttpReply::json(
            200,
            &format!("{{\"access_token\":7,\"refresh_token\":\"{}\"", grant.refresh_token),
        ))
    });
    tell("tells-type", &|grant| {
        let content_type = format!("text/{}", grant.access_token);
        Answer::reply(HttpReply { status: 418, content_type, body: "x".into(), ..HttpReply::default() })
    });
    tell("tells-location", &|grant| Answer::redirect(&format!("http://127.0.0.1:9/{}", grant.refresh_token)));
    grants
}

/// What the socket says to a question, as bytes.
fn asked(home: &Home, question: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(home.state().join("control.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    stream.write_all(b"\n").unwrap();
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut answer).unwrap();
    assert!(!answer.is_empty());
    answer
}

fn files_below(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, look);
        } else if path.is_file() {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}

fn no_token_is_seen(format: &str) {
    let server = Server::start(Script::default()).unwrap();
    let sites = sites(&server);
    let mut grants: Vec<_> = sites.iter().map(|(name, site)| (name.clone(), site.grant(EXPIRED))).collect();
    for ((name, site), (_, grant)) in sites.iter().zip(&grants) {
        if ["slack", "atlassian", "zitadel", "fastmcp"].contains(&name.as_str()) {
            site.kill(&grant.refresh_token);
        }
    }
    grants.extend(telltales(&server));
    let home = Home::with(grants.iter().map(|(name, grant)| (name.as_str(), grant)));
    let hook = "[notices]\nhook = 'env >> ~/.local/state/mcp-refreshd/hooked'\n";
    home.configure(&format!("[log]\nformat = \"{format}\"\nlevel = \"debug\"\n{hook}"));
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("is at work");
    // Each has its first answer; a dead one is believed after three seconds.
    let end = Instant::now() + PATIENCE;
    let settled = |server: &serde_json::Value| server["last_refresh"] != serde_json::Value::Null;
    while !home.status()["servers"].as_array().unwrap().iter().all(settled) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
    }
    let status = home.status();
    let mut outcomes: BTreeSet<_> = BTreeSet::new();
    for server in status["servers"].as_array().unwrap() {
        outcomes.insert(server["last_refresh"]["outcome"].as_str().unwrap_or_else(|| panic!("{server}")));
    }
    for outcome in ["fresh", "dead", "refused", "transient", "ambiguous"] {
        assert!(outcomes.contains(outcome), "no {outcome} among {outcomes:?}");
    }
    // What needs a person is told two seconds later.
    while !home.state().join("hooked").exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut outputs = Vec::new();
    let mut told = |arguments: &[&str]| {
        let output = home.run(arguments);
        outputs.push((format!("{arguments:?}"), [output.stdout, output.stderr].concat()));
    };
    told(&["status"]);
    told(&["status", "--json"]);
    grants.iter().for_each(|(name, _)| told(&["status", name]));
    told(&["refresh"]);
    told(&["refresh", "good", "jwt", "basic", "post", "--force"]);
    told(&["refresh", "--dry-run"]);
    told(&["check", "--live"]);
    told(&["doctor", "--live"]);
    told(&["doctor", "--json", "--fix", "--yes"]);
    told(&["history"]);
    let picture = home.state().join("picture.svg");
    told(&["history", "--json", "--svg", picture.to_str().unwrap()]);
    told(&["config"]);
    told(&["--version"]);
    outputs.push(("the socket".into(), asked(&home, r#"{"protocol":1,"version":"0","request":"status"}"#)));
    outputs.push(("the socket, asked nonsense".into(), asked(&home, "{")));
    let arguments = std::fs::read(format!("/proc/{}/cmdline", daemon.pid())).unwrap_or_default();
    outputs.push(("its arguments".into(), arguments));
    assert!(!sites[0].1.log().is_empty());
    let before = tokens(&home, &server, &grants);
    let (end, log) = daemon.terminate();
    assert!(end.success(), "{log}");
    let all: BTreeSet<_> = tokens(&home, &server, &grants).union(&before).cloned().collect();
    eprintln!("{} tokens, {} outputs, {} bytes of log", all.len(), outputs.len(), log.len());
    assert!(all.len() > 2 * grants.len());
    outputs.push(("the log".into(), log.into_bytes()));
    // What is read from disk without a daemon is said by other code.
    for arguments in
        [&["status"][..], &["status", "--json"], &["refresh", "good", "tells-code"], &["check"], &["doctor"]]
    {
        let output = home.run(arguments);
        outputs.push((format!("{arguments:?} without a daemon"), [output.stdout, output.stderr].concat()));
    }
    files_below(&home.state(), &mut |path, bytes| outputs.push((path.display().to_string(), bytes.to_vec())));
    for name in ["history.jsonl", "picture.svg", "notices.json", "hooked"] {
        let of_it = |(place, bytes): &(String, Vec<u8>)| place.ends_with(name) && bytes.len() > 100;
        assert!(outputs.iter().any(of_it), "no {name}");
    }
    for (place, bytes) in &outputs {
        let token = token_in(bytes, &all);
        assert_eq!(token, None, "in {place}:\n{}", String::from_utf8_lossy(bytes));
    }
    assert!(token_in(home.stored().as_bytes(), &all).is_some(), "this search finds nothing anywhere");
}

#[test]
fn no_token_is_seen_in_a_log_of_text_and_nowhere_else() {
    no_token_is_seen("text");
}

#[test]
fn no_token_is_seen_in_a_log_of_json_and_nowhere_else() {
    no_token_is_seen("json");
}
