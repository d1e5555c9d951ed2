//! Answers without measure: what docs/security.md promises against servers that want the agent's memory or time.

use crate::support::peer::{Peer, Reply, entry, home_with, text};
use crate::support::{Daemon, PATIENCE};
use flate2::Compression;
use flate2::write::GzEncoder;
use scripted_server::{Script, Server};
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EXPIRED: Duration = Duration::ZERO;
/// Each with a login of every kind: together more than the hundred that are asked at a time, and each with more than its ten.
const PEERS: usize = 10;
/// How many servers the agent asks at a time.
const AT_ONCE: u64 = 100;
/// What an answer may cost, in kB: 1 MiB of its own, and the 408 KiB that the HTTP library buffers of a connection (docs/security.md).
const ANSWER: u64 = 1024 + 408;
/// What the agent itself takes in a debug build, in kB.
const PROGRAM: u64 = 24 * 1024;

/// Bytes that inflate to a thousand times as many.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..512 {
        encoder.write_all(&[b' '; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn answers_without_measure_cost_little_memory_and_hold_up_nobody() {
    let server = Server::start(Script::default()).unwrap();
    let honest = server.add("honest", Script::default());
    let bomb = Arc::new(bomb());
    assert!(bomb.len() < 1 << 20);
    let members: String = (0..10_000).map(|number| format!("\"m{number}\":[{number}],")).collect();
    let members: Arc<str> = format!(r#"{{{members}"error":"invalid_request"}}"#).into();
    let deep: Arc<str> = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into();
    let answer = move |base: &str, path: &str| {
        let (kind, rest) = path.trim_start_matches('/').split_once('/').unwrap_or(("", ""));
        match (kind, rest) {
            (".well-known", rest) => {
                // Of a path behind the known name: which server is meant.
                let Some((_, site)) = rest.split_once('/') else { return text(404, "") };
                let site = site.trim_end_matches("/mcp");
                if site.starts_with("meta-") {
                    return unmeasured(site.trim_start_matches("meta-"), &bomb, &members, &deep);
                }
                text(
                    200,
                    &json!({"issuer": format!("{base}/{site}"), "token_endpoint": format!("{base}/{site}/token")})
                        .to_string(),
                )
            }
            (kind, "token") => unmeasured(kind, &bomb, &members, &deep),
            _ => text(404, ""),
        }
    };
    let peers: Vec<_> = (0..PEERS).map(|_| Peer::start(answer.clone())).collect();
    let kinds = ["bomb", "members", "deep", "endless", "headers", "drip"];
    let sites = kinds.iter().flat_map(|kind| [(*kind).to_owned(), format!("meta-{kind}")]);
    let others: Vec<_> = sites
        .flat_map(|site| {
            peers.iter().enumerate().map(move |(number, peer)| {
                let base = peer.url(&format!("/{site}"));
                let hints = json!({"discoveryState": {"authorizationServerUrl": base}, "issuer": base});
                entry(&format!("{site}-{number}"), &format!("{base}/mcp"), hints)
            })
        })
        .collect();
    let grant = honest.grant(EXPIRED);
    let home = home_with(&[("honest", &grant)], others.clone());
    let began = Instant::now();
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("honest: refreshed");
    assert!(began.elapsed() < Duration::from_secs(10), "the honest server waited {:?}", began.elapsed());
    // All but those that drip have their answer at once, and the agent answers people all the while.
    let end = Instant::now() + PATIENCE;
    loop {
        let status = home.status();
        let waiting = status["servers"].as_array().unwrap().iter().filter(|server| {
            server["last_refresh"].is_null() && !server["name"].as_str().unwrap().contains("drip")
        });
        // Metadata that cannot be had is no refresh: it has no result.
        if waiting.filter(|server| !server["name"].as_str().unwrap().starts_with("meta-")).count() == 0 {
            break;
        }
        assert!(Instant::now() < end, "{status:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
    for kind in kinds {
        assert!(
            peers.iter().all(|peer| peer
                .requests()
                .iter()
                .any(|request| request.starts_with(&format!("POST /{kind}/token ")))),
            "{kind}"
        );
    }
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let most = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kilobytes: u64 = most.split_whitespace().nth(1).unwrap().parse().unwrap();
        eprintln!("{} logins at peers without measure: at most {kilobytes} kB resident", others.len());
        assert!(kilobytes < AT_ONCE * ANSWER + PROGRAM, "{most}");
    }
    for (_, entry) in &others {
        assert!(home.stored().contains(entry["refreshToken"].as_str().unwrap()), "a token was lost: {entry}");
    }
}

fn unmeasured(kind: &str, bomb: &[u8], members: &str, deep: &str) -> Reply {
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":\"";
    match kind {
        "bomb" => {
            let length = bomb.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
            Reply::Bytes([head.as_bytes(), bomb].concat())
        }
        "members" => text(400, members),
        "deep" => text(400, deep),
        "endless" => Reply::Endless(endless.into(), vec![b'x'; 64 * 1024], Duration::ZERO),
        "headers" => Reply::Endless("HTTP/1.1 200 OK\r\n".into(), b"X-Y: z\r\n".repeat(1000), Duration::ZERO),
        _ => Reply::Endless(endless.into(), b"x".to_vec(), Duration::from_millis(500)),
    }
}
