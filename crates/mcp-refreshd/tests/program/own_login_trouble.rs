//! `login` without Claude Code, where a server or the process fails in the middle.

use crate::own_login::{Scene, get};
use crate::support::PATIENCE;
use harness::until;
use scripted_server::{Kind, Registration, Script, credentials_json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A token endpoint that reads each request and says this, or never anything.
fn token_endpoint(answer: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&seen).contains("code_verifier=") {
                match stream.read(&mut bytes) {
                    Ok(read) if read > 0 => seen.extend_from_slice(&bytes[..read]),
                    _ => break,
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            match answer {
                Some(answer) => drop(stream.write_all(answer.as_bytes())),
                None => open.push(stream),
            }
        }
    });
    (url, asked)
}

#[test]
fn a_server_that_registers_nobody_is_named_with_the_cure_and_a_client_id_does_without() {
    for registration in [Registration::Refused, Registration::Absent] {
        let scene = Scene::new(Script { registration, ..Script::default() });
        let (code, out, err) =
            scene.home.told(&["login", &scene.lab.mcp_url(), "--name", "lab", "--no-browser"]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        let why = if registration == Registration::Refused {
            "refused to register a client: access_denied (clients are registered by hand)"
        } else {
            "does not register clients by itself"
        };
        assert!(
            err.contains(why) && err.contains("--client-id") && err.contains("nothing was changed"),
            "{err}"
        );
        assert!(scene.entry().is_null());
        // One that is registered already.
        let known = scene.lab.grant(Duration::ZERO).client_id;
        let login = scene.login(&["--client-id", &known]);
        get(&login.approved());
        let (code, out, err) = login.end();
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!(scene.entry()["clientId"], known);
    }
}

#[test]
fn a_lost_answer_is_reported_and_the_code_is_never_sent_again() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"access_token\":\"at_cut",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    ] {
        let scene = Scene::new(Script::default());
        assert_eq!(scene.logged_in().0, 0);
        let before = scene.vault();
        let (url, asked) = token_endpoint(Some(answer));
        scene.lab.set(|script| script.token_endpoint = Some(url));
        let (code, out, err) = scene.logged_in();
        assert!(
            code == 1 && err.contains("log in again") && err.contains("nothing was changed"),
            "{out}{err}"
        );
        assert!(!err.contains("at_cut"), "{err}");
        assert_eq!((asked.load(Ordering::SeqCst), scene.vault()), (1, before), "{answer}");
        // The old login is as good as before.
        scene.lab.set(|script| script.token_endpoint = None);
        assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
    }
}

#[test]
fn a_kill_in_the_middle_of_the_exchange_leaves_nothing_half_written() {
    let scene = Scene::new(Script::default());
    assert_eq!(scene.logged_in().0, 0);
    let before = scene.vault();
    let (url, asked) = token_endpoint(None);
    scene.lab.set(|script| script.token_endpoint = Some(url));
    let mut login = scene.login(&[]);
    get(&login.approved());
    assert!(until(PATIENCE, || asked.load(Ordering::SeqCst) == 1));
    login.child.kill().unwrap();
    login.child.wait().unwrap();
    assert_eq!(scene.vault(), before);
    let names = fs::read_dir(scene.home.state().join("vault")).unwrap();
    let names: Vec<_> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.contains(".tmp.") || name.ends_with(".lock")), "{names:?}");
    scene.lab.set(|script| script.token_endpoint = None);
    assert_eq!(scene.logged_in().0, 0);
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
}

#[test]
fn a_dead_login_in_claude_codes_store_gives_way() {
    let scene = Scene::new(Script::default());
    let grant = scene.lab.grant(Duration::ZERO);
    scene.home.store(&credentials_json([("lab", &grant)]));
    assert!(scene.lab.kill(&grant.refresh_token));
    // Nobody has been told yet.
    let (code, _, err) = scene.home.told(&["login", "--own", "lab", "--no-browser"]);
    assert!(code == 1 && err.contains("mcp-refreshd own lab"), "{err}");
    for _ in 0..4 {
        scene.home.told(&["refresh", "lab", "--force"]);
    }
    let (code, out, err) = scene.logged_in();
    assert_eq!(code, 0, "{out}{err}");
    assert!(scene.entry()["refreshToken"].is_string());
    // Its tokens are gone, so that one login is left, and `own` can go on.
    assert!(!scene.home.stored().contains(&grant.refresh_token), "{}", scene.home.stored());
    let status = scene.home.status();
    assert_eq!(status["servers"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(scene.home.told(&["refresh", "lab", "--force"]).0, 0);
    let configured = serde_json::json!({"mcpServers": {"lab": {"type": "http", "url": scene.lab.mcp_url()}}});
    fs::write(scene.home.path().join(".claude.json"), configured.to_string()).unwrap();
    let (code, out, err) = scene.home.told(&["own", "lab"]);
    assert!(code == 0 && out.contains("headersHelper set"), "{out}{err}");
}

#[test]
fn the_command_to_try_again_has_the_same_options() {
    let scene = Scene::new(Script { registration: Registration::Refused, ..Script::default() });
    let url = scene.lab.mcp_url();
    let (_, _, err) = scene.home.told(&["login", &url, "--name", "my lab", "--no-browser"]);
    let again = format!("mcp-refreshd login --own --no-browser --name='my lab' -- {url}");
    assert!(err.contains(&again), "{err}");
    let known = scene.lab.grant(Duration::ZERO).client_id;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let login = scene.login(&["--client-id", &known, "--callback-port", &port]);
    let (callback, state) = (login.parameter("redirect_uri"), login.parameter("state"));
    get(&format!("{callback}?error=access_denied&state={state}"));
    let (_, _, err) = login.end();
    let again = format!(
        "mcp-refreshd login --own --no-browser --name=lab --client-id={known} --callback-port={port} -- {url}"
    );
    assert!(err.contains(&again), "{err}");
    assert_eq!(scene.lab.count(|entry| entry.kind == Kind::Token), 0);
}
