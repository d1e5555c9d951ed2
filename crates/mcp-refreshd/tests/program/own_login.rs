//! `login` without Claude Code: a real authorization server, and a test in the place of the browser.

use crate::support::Home;
use scripted_server::{Script, Server, Site};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) lab: Site,
    _server: Server,
}

/// A login that waits for its browser.
pub(crate) struct Login {
    pub(crate) child: Child,
    out: BufReader<std::process::ChildStdout>,
    url: url::Url,
}

impl Scene {
    pub(crate) fn new(script: Script) -> Self {
        let server = Server::start(Script::default()).unwrap();
        let lab = server.add("lab", script);
        Self { home: Home::new(), lab, _server: server }
    }

    pub(crate) fn vault(&self) -> Value {
        let file = self.home.state().join("vault/.credentials.json");
        serde_json::from_str(&fs::read_to_string(file).unwrap_or_default()).unwrap_or_default()
    }

    pub(crate) fn entry(&self) -> Value {
        self.vault()["mcpOAuth"][scripted_server::store_key("lab", &self.lab.mcp_url())].clone()
    }

    pub(crate) fn login(&self, more: &[&str]) -> Login {
        let url = self.lab.mcp_url();
        let mut arguments = vec!["login", &url, "--name", "lab", "--no-browser"];
        arguments.extend(more);
        let mut command = self.home.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("http") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "{}", stderr(&mut child));
        }
        Login { child, out, url: url::Url::parse(line.trim()).unwrap() }
    }

    /// A whole login through the browser.
    pub(crate) fn logged_in(&self) -> (i32, String, String) {
        let login = self.login(&[]);
        get(&login.approved());
        login.end()
    }
}

impl Login {
    pub(crate) fn parameter(&self, name: &str) -> String {
        self.url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
    }

    /// Where the authorization server redirects the browser to.
    pub(crate) fn approved(&self) -> String {
        let head = get(self.url.as_str());
        let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
        location.unwrap_or_else(|| panic!("{head}")).trim().to_owned()
    }

    fn paste(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    pub(crate) fn end(mut self) -> (i32, String, String) {
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let err = stderr(&mut self.child);
        (self.child.wait().unwrap().code().unwrap(), out, err)
    }
}

fn stderr(child: &mut Child) -> String {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    err
}

/// The response to a GET, as a browser sends it.
pub(crate) fn get(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let port = url.port().unwrap();
    let host = url.host_str().unwrap();
    get_as(&format!("{host}:{port}"), port, &url[url::Position::BeforePath..])
}

fn get_as(host: &str, port: u16, target: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut head = String::new();
    stream.read_to_string(&mut head).unwrap();
    head
}

#[test]
fn a_login_through_the_browser_lands_in_the_vault_and_says_what_to_type_next() {
    let scene = Scene::new(Script::default());
    let login = scene.login(&[]);
    for (name, value) in
        [("response_type", "code"), ("code_challenge_method", "S256"), ("resource", &scene.lab.mcp_url())]
    {
        assert_eq!(login.parameter(name), value);
    }
    let page = get(&login.approved());
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Close this page"), "{page}");
    let (code, out, err) = login.end();
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("claude mcp add-json --scope user -- lab '{\"type\":\"http\""), "{out}");
    let entry = scene.entry();
    assert!(scene.lab.accepts(entry["accessToken"].as_str().unwrap()));
    for token in ["accessToken", "refreshToken"] {
        assert!(!out.contains(entry[token].as_str().unwrap()), "{out}");
    }
    // It is a grant like any other in the vault.
    let (code, out, err) = scene.home.told(&["refresh", "lab", "--force"]);
    assert!(code == 0 && out.contains("refreshed, valid"), "{out}{err}");
    let (code, token, err) = scene.home.told(&["token", "lab"]);
    assert!(code == 0 && scene.lab.accepts(token.trim()), "{err}");
    // By its name it is logged in to anew.
    let mut again = scene.home.command(&["login", "lab", "--no-browser"]);
    again.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = again.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("open this URL in a browser"), "{line}");
}

#[test]
fn a_pasted_url_is_as_good_and_a_wrong_one_may_be_pasted_again() {
    let scene = Scene::new(Script::default());
    let mut login = scene.login(&[]);
    login.paste("http://localhost:1/callback?code=stolen&state=wrong");
    login.paste(&login.approved());
    let (code, out, err) = login.end();
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("`state` is another one") && err.contains("paste it again"), "{err}");
    assert!(scene.entry()["refreshToken"].is_string());
}

#[test]
fn what_is_not_the_response_changes_nothing_and_the_login_goes_on() {
    let scene = Scene::new(Script::default());
    let login = scene.login(&[]);
    let callback = url::Url::parse(&login.parameter("redirect_uri")).unwrap();
    let (port, state) = (callback.port().unwrap(), login.parameter("state"));
    let ours = format!("localhost:{port}");
    for (host, target) in [
        (ours.as_str(), "/favicon.ico".to_owned()),
        (ours.as_str(), "/callback?code=x&state=wrong".to_owned()),
        ("evil.example", format!("/callback?code=x&state={state}")),
    ] {
        assert!(get_as(host, port, &target).starts_with("HTTP/1.1 404"), "{host} {target}");
    }
    get(&login.approved());
    assert_eq!(login.end().0, 0);
}

#[test]
fn a_refusal_or_another_issuer_ends_the_login_and_the_old_one_stays() {
    let scene = Scene::new(Script::default());
    assert_eq!(scene.logged_in().0, 0);
    let before = scene.vault();
    for (query, why) in [
        ("error=access_denied&error_description=not+you", "access_denied (not you)"),
        ("code=x&iss=https://evil.example", "another authorization server (https://evil.example)"),
        ("code=made-up", "refused the code"),
        ("iss=", "contains no code"),
    ] {
        let login = scene.login(&[]);
        let (callback, state) = (login.parameter("redirect_uri"), login.parameter("state"));
        get(&format!("{callback}?{query}&state={state}"));
        let (code, out, err) = login.end();
        assert!(code == 1 && err.contains(why) && err.contains("nothing was changed"), "{out}{err}");
        assert_eq!(scene.vault(), before);
    }
}

#[test]
fn a_login_that_is_killed_or_interrupted_leaves_the_old_one() {
    let scene = Scene::new(Script::default());
    assert_eq!(scene.logged_in().0, 0);
    let before = scene.vault();
    for (signal, code) in [(rustix::process::Signal::KILL, None), (rustix::process::Signal::INT, Some(1))] {
        let mut login = scene.login(&[]);
        let pid = rustix::process::Pid::from_child(&login.child);
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(login.child.wait().unwrap().code(), code);
        assert_eq!(scene.vault(), before);
    }
}

#[test]
fn a_login_without_a_refresh_token_is_kept_and_reported() {
    let scene = Scene::new(Script { refresh_tokens: false, ..Script::default() });
    let (code, out, err) = scene.logged_in();
    assert!(code == 0 && out.contains("issued no refresh token"), "{out}{err}");
    assert!(scene.entry()["accessToken"].is_string() && scene.entry()["refreshToken"].is_null());
}

#[test]
fn metadata_of_another_issuer_is_refused_before_anybody_is_asked() {
    let script = Script { issuer: Some("https://evil.example".to_owned()), ..Script::default() };
    let scene = Scene::new(script);
    let (code, out, err) = scene.home.told(&["login", &scene.lab.mcp_url(), "--no-browser"]);
    assert!(
        code == 1 && err.contains("states the issuer https://evil.example") && out.is_empty(),
        "{out}{err}"
    );
}

#[test]
fn a_port_in_use_is_named() {
    let scene = Scene::new(Script::default());
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let url = scene.lab.mcp_url();
    let (code, _, err) = scene.home.told(&["login", &url, "--no-browser", "--callback-port", &port]);
    assert!(code == 1 && err.contains(&format!("port {port} is in use")), "{err}");
}

#[test]
fn a_login_shared_with_claude_code_is_not_replaced() {
    let scene = Scene::new(Script::default());
    let grant = scene.lab.grant(Duration::from_secs(3600));
    scene.home.store(&scripted_server::credentials_json([("lab", &grant)]));
    let (code, _, err) = scene.home.told(&["login", "--own", "lab", "--no-browser"]);
    assert!(code == 1 && err.contains("mcp-refreshd own lab"), "{err}");
}
