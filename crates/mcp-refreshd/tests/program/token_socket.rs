//! The second socket hands out access tokens of the servers that the configuration names, to those who may have them, and nothing else.

use crate::support::{Daemon, Home};
use scripted_server::{Grant, Script, Server, Site};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// An agent with two logins, one of which may leave the machine.
struct Stage {
    home: Home,
    lab: (Site, Grant),
    wiki: (Site, Grant),
    _server: Server,
    daemon: Daemon,
}

impl Stage {
    fn new(configuration: &str) -> Self {
        let server = Server::start(Script::default()).unwrap();
        let login = |name| {
            let site = server.add(name, Script::default());
            let grant = site.grant(HOUR);
            (site, grant)
        };
        let (lab, wiki) = (login("lab"), login("wiki"));
        let home = Home::with([("lab", &lab.1), ("wiki", &wiki.1)]);
        home.configure(&format!("[token_socket]\nservers = [\"lab\"]\n{configuration}"));
        let daemon = home.daemon();
        Self { home, lab, wiki, _server: server, daemon }
    }

    fn socket(&self) -> PathBuf {
        self.home.state().join("tokens/socket")
    }

    /// The command as on another machine: nothing of this home is known there.
    fn elsewhere(&self, arguments: &[&str], secret: Option<&Path>) -> (i32, String, String) {
        told(&self.socket(), arguments, secret)
    }
}

fn told(socket: &Path, arguments: &[&str], secret: Option<&Path>) -> (i32, String, String) {
    let elsewhere = Home::new();
    let mut command = elsewhere.command(arguments);
    command.env_remove("HOME").env("MCP_REFRESHD_SOCKET", socket);
    if let Some(secret) = secret {
        command.env("MCP_REFRESHD_SOCKET_SECRET_FILE", secret);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What the socket answers to a request.
fn answer(socket: &Path, request: &Value) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn elsewhere_only_the_socket_is_needed_and_only_allowed_servers_are_handed_out() {
    let stage = Stage::new("");
    let token = &stage.lab.1.access_token;
    assert_eq!(stage.elsewhere(&["token", "lab"], None), (0, format!("{token}\n"), String::new()));
    let headers = format!("{{\"Authorization\":\"Bearer {token}\"}}\n");
    assert_eq!(stage.elsewhere(&["headers", "lab"], None), (0, headers, String::new()));
    let (code, out, why) = stage.elsewhere(&["token", "lab", "--url", "https://evil.test/mcp"], None);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("not handed out for another server"), "{why}");
    for name in ["wiki", "la", "lab|00"] {
        let (code, out, why) = stage.elsewhere(&["token", name], None);
        assert_eq!((code, out.as_str()), (1, ""), "{name}");
        // Not even which servers there are.
        assert!(why.contains("[token_socket]") && !why.contains("did you mean"), "{why}");
    }
    assert_eq!((mode(&stage.socket()), mode(stage.socket().parent().unwrap())), (0o600, 0o700));
    let (_, log) = stage.daemon.terminate();
    assert!(log.contains("access tokens of lab are handed out at") && !log.contains("at_0"), "{log}");
}

#[test]
fn every_other_request_is_refused_there() {
    let stage = Stage::new("");
    let requests = [
        json!({"request": "status"}),
        json!({"request": "refresh", "with": {"names": [], "force": true}}),
        json!({"request": "proxy_variables"}),
        json!({"request": "reload"}),
        json!({"request": "test_notice"}),
        json!({"request": "restore", "with": {"store": "x"}}),
        json!({"request": "access_token", "with": {"name": "wiki"}}),
    ];
    for mut request in requests {
        request["protocol"] = json!(1);
        request["version"] = json!("0");
        let said = answer(&stage.socket(), &request);
        assert!(said.contains("\"reply\":\"refused\""), "{request}: {said}");
        assert!(!said.contains(&stage.wiki.1.access_token) && !said.contains("rt_"), "{said}");
    }
    assert_eq!(stage.lab.0.refreshes() + stage.wiki.0.refreshes(), 0);
}

#[test]
fn elsewhere_nothing_is_told_of_other_servers_or_of_stores() {
    let server = Server::start(Script::default()).unwrap();
    let home = Home::with([("wiki", &server.add("wiki", Script::default()).grant(HOUR))]);
    home.configure("[token_socket]\nservers = [\"gone\"]\n");
    let socket = home.state().join("tokens/socket");
    let request = json!({"protocol": 1, "version": "0", "request": "access_token", "with": {"name": "gone", "document": "/x"}});
    let silent = |said: &str| {
        assert!(said.contains("on its machine, type: mcp-refreshd status gone"), "{said}");
        assert!(!said.contains("wiki") && !said.contains(".credentials.json"), "{said}");
    };
    let agent = home.daemon();
    let (code, _, why) = told(&socket, &["token", "gone"], None);
    assert_eq!(code, 2);
    assert!(why.contains("no login for gone"), "{why}");
    silent(&why);
    silent(&answer(&socket, &request));
    agent.terminate();
    fs::write(home.claude().join(".credentials.json"), "{").unwrap();
    let agent = home.daemon();
    let (code, _, why) = told(&socket, &["token", "gone"], None);
    assert_eq!(code, 4);
    silent(&why);
    silent(&answer(&socket, &request));
    agent.terminate();
}

#[test]
fn with_a_secret_only_those_who_have_it_are_answered() {
    let stage = Stage::new("secret_file = \"~/secret\"\n");
    let secret = stage.home.path().join("secret");
    assert_eq!((mode(&secret), mode(&stage.socket())), (0o600, 0o666));
    let token = format!("{}\n", stage.lab.1.access_token);
    assert_eq!(stage.elsewhere(&["token", "lab"], Some(&secret)), (0, token.clone(), String::new()));

    let (code, out, why) = stage.elsewhere(&["token", "lab"], None);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("requires a secret") && why.contains("MCP_REFRESHD_SOCKET_SECRET_FILE"), "{why}");
    let wrong = stage.home.path().join("wrong");
    private(&wrong, &"0".repeat(64));
    let began = Instant::now();
    let (code, out, why) = stage.elsewhere(&["token", "lab"], Some(&wrong));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("the secret is wrong") && began.elapsed() >= Duration::from_secs(1), "{why}");

    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, out, why) = stage.elsewhere(&["token", "lab"], Some(&wrong));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("chmod 600"), "{why}");
    let (code, _, why) = stage.elsewhere(&["token", "lab"], Some(Path::new("/nowhere/secret")));
    assert!(code == 1 && why.contains("/nowhere/secret"), "{why}");
    let text = fs::read_to_string(&secret).unwrap();
    let (_, log) = stage.daemon.terminate();
    assert!(!log.contains(text.trim()), "{log}");
}

#[test]
fn a_socket_that_is_gone_or_deaf_or_silent_is_said_to_be() {
    let stage = Stage::new("");
    let socket = stage.socket();
    drop(stage.daemon.terminate());
    let (code, out, why) = told(&socket, &["headers", "lab"], None);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("there is no socket at") && why.contains("MCP_REFRESHD_SOCKET"), "{why}");
    drop(UnixListener::bind(&socket).unwrap());
    let (code, out, why) = told(&socket, &["headers", "lab"], None);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("nothing listens at"), "{why}");
    fs::remove_file(&socket).unwrap();
    let silent = UnixListener::bind(&socket).unwrap();
    let began = Instant::now();
    let (code, out, why) = told(&socket, &["headers", "lab"], None);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("does not answer") && began.elapsed() < Duration::from_secs(9), "{why}");
    drop(silent);
}

#[test]
fn a_socket_that_cannot_be_opened_does_not_keep_the_agent_from_its_work() {
    let home = Home::new();
    home.store(r#"{"mcpOAuth":{}}"#);
    let readable = home.path().join("secret");
    fs::write(&readable, "0".repeat(64)).unwrap();
    fs::set_permissions(&readable, fs::Permissions::from_mode(0o644)).unwrap();
    home.configure("[token_socket]\nservers = [\"lab\"]\nsecret_file = \"~/secret\"\n");
    let mut daemon = Daemon::start(home.command(&["run"]));
    let why = daemon.wait_for("the token socket is not opened");
    assert!(why.contains("chmod 600"), "{why}");
    daemon.wait_for("started (process");
    assert!(!home.state().join("tokens/socket").exists());
}

#[test]
fn a_socket_without_servers_is_an_invalid_configuration() {
    let home = Home::new();
    for text in [
        "[token_socket]\n",
        "[token_socket]\nservers = []\n",
        "[token_socket]\nservers = [\"a\"]\npath = \"x\"\n",
    ] {
        home.configure(text);
        let (code, _, why) = home.told(&["config"]);
        assert!(code == 2 && why.contains("token_socket."), "{text}: {why}");
    }
}

#[test]
fn other_servers_are_handed_out_after_a_reload_and_another_socket_after_a_restart() {
    let stage = Stage::new("");
    let wiki = (0, format!("{}\n", stage.wiki.1.access_token), String::new());
    let refused = |name: &str| {
        let (code, out, why) = stage.elsewhere(&["token", name], None);
        assert_eq!((code, out.as_str()), (1, ""), "{name}: {why}");
        assert!(why.contains("[token_socket]") && why.contains("mcp-refreshd reload"), "{why}");
    };
    refused("wiki");
    let reload = |text: &str| {
        stage.home.configure(text);
        let (code, out, why) = stage.home.told(&["reload"]);
        assert_eq!(code, 0, "{out}{why}");
        out
    };
    let told = reload("[token_socket]\nservers = [\"wiki\"]\n");
    assert!(told.contains("token_socket.servers: ") && !told.contains("restart"), "{told}");
    assert_eq!(stage.elsewhere(&["token", "wiki"], None), wiki);
    // What is taken back is taken back at once.
    refused("lab");
    assert_eq!(reload("[token_socket]\nservers = [\"wiki\"]\n"), "reloaded: no changes\n");
    // Without its secret nobody gets at what the new socket is for.
    let told = reload("[token_socket]\nservers = [\"lab\", \"wiki\"]\nsecret_file = \"~/secret\"\n");
    assert!(told.contains("takes effect after a restart"), "{told}");
    refused("lab");
    assert_eq!(stage.elsewhere(&["token", "wiki"], None), wiki);
    reload("");
    refused("wiki");
}
