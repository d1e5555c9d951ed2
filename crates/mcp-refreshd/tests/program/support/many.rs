//! Fifteen servers in all states, with the real agent and real servers.

use crate::support::{Daemon, Home, PATIENCE};
use scripted_server::{Answer, Grant, Script, Server, Site};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The state of each server in the end.
const EXPECTED: [(&str, &str); 15] = [
    ("airtable", "refused"),
    ("asana", "expired"),
    ("box", "expired"),
    ("canva", "retrying"),
    ("figma", "action_required"),
    ("grafana", "ending"),
    ("intercom", "ignored"),
    ("linear", "fresh"),
    ("notion", "action_required"),
    ("plugin:atlassian:atlassian-cloud-production", "fresh"),
    ("plugin:atlassian:atlassian-cloud-staging", "fresh"),
    ("sentry", "fresh"),
    ("vercel", "fresh"),
    ("zapier", "ending"),
    ("開発サーバー", "fresh"),
];

pub(crate) struct Many {
    pub(crate) home: Home,
    pub(crate) server: Server,
    pub(crate) daemon: Option<Daemon>,
    /// Somebody who keeps a refresh lock until this is dropped.
    _holder: Sender<()>,
}

impl Many {
    /// airtable is refused with 20 minutes left; asana's lock is a file, and box's is held; canva fails with 503; figma is a stub; grafana has no
    /// refresh token and ends in an hour, zapier in a month; intercom is ignored; notion is dead; vercel does not say when it expires.
    pub(crate) fn new() -> Self {
        let server = Server::start(Script::default()).unwrap();
        let site = |name: &str| server.add(name, Script::default());
        let mut entries = Map::new();
        let mut add = |name: &str, grant: &Grant, change: &dyn Fn(&mut Map<String, Value>)| {
            let mut entry = grant.entry(name).as_object().unwrap().clone();
            change(&mut entry);
            entries.insert(grant.key(name), entry.into());
        };
        let as_it_is = |_: &mut Map<String, Value>| {};
        let without_refresh = |entry: &mut Map<String, Value>| drop(entry.remove("refreshToken"));
        let (asana, held, refused, failing) = (site("asana"), site("box"), site("airtable"), site("canva"));
        failing.answer_always(Answer::status(503).retry_after(15 * MINUTE));
        let (asana, held) = (asana.grant(Duration::ZERO), held.grant(Duration::ZERO));
        let refused_grant = refused.grant(20 * MINUTE);
        add("asana", &asana, &as_it_is);
        add("box", &held, &as_it_is);
        add("airtable", &refused_grant, &as_it_is);
        add("canva", &failing.grant(5 * MINUTE), &as_it_is);
        add("grafana", &site("grafana").grant(HOUR), &without_refresh);
        add("zapier", &site("zapier").grant(720 * HOUR), &without_refresh);
        add("intercom", &site("intercom").grant(HOUR), &as_it_is);
        add("vercel", &site("vercel").grant(HOUR), &|entry| drop(entry.remove("expiresAt")));
        add("sentry", &site("sentry").grant(5 * HOUR), &as_it_is);
        for name in [
            "linear",
            "plugin:atlassian:atlassian-cloud-production",
            "plugin:atlassian:atlassian-cloud-staging",
            "開発サーバー",
        ] {
            add(name, &site(&format!("site{}", name.len())).grant(Duration::ZERO), &as_it_is);
        }
        let dead: Site = site("notion");
        let grant = dead.grant(Duration::ZERO);
        assert!(dead.kill(&grant.refresh_token));
        add("notion", &grant, &as_it_is);
        let stub = json!({"serverName": "figma", "serverUrl": "https://figma.example/mcp", "accessToken": "", "expiresAt": 0});
        entries.insert("figma|0123456789abcdef".into(), stub);
        let home = Home::new();
        home.configure("[servers.intercom]\nignore = true\n");
        home.store(&json!({"mcpOAuth": entries}).to_string());
        let lock = |key: &str| -> PathBuf {
            let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            home.claude().join(format!("mcp-refresh-{name}.lock.lock"))
        };
        fs::write(lock(&asana.key("asana")), "").unwrap();
        let holder = hold(lock(&held.key("box")));
        let mut daemon = Daemon::start(home.command(&["run"]));
        daemon.wait_for("started (process");
        // Refused though its token is good for longer than the client's window.
        assert!(refused.kill(&refused_grant.refresh_token));
        home.run(&["refresh", "airtable", "--force"]);
        let many = Self { home, server, daemon: Some(daemon), _holder: holder };
        many.settle();
        many
    }

    /// Waits until every server is in its state.
    fn settle(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.home.status();
            let states: Vec<_> = status["servers"].as_array().unwrap().iter().map(state).collect();
            let mut expected = EXPECTED.map(|(name, state)| (name.to_owned(), state.to_owned())).to_vec();
            expected.retain(|expected| !states.contains(expected));
            let reasons =
                status["servers"].as_array().unwrap().iter().filter(|server| !server["reason"].is_null());
            if expected.is_empty() && reasons.count() == 8 {
                return;
            }
            assert!(Instant::now() < end, "{expected:?} in {status:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn state(server: &Value) -> (String, String) {
    (server["name"].as_str().unwrap().to_owned(), server["state"].as_str().unwrap().to_owned())
}

/// Holds a lock as a client does: a folder that is dated to now again and again.
fn hold(lock: PathBuf) -> Sender<()> {
    let (end, ended) = channel::<()>();
    fs::create_dir(&lock).unwrap();
    std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_secs(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let now = std::time::SystemTime::now();
            if fs::File::open(&lock).and_then(|lock| lock.set_modified(now)).is_err() {
                return;
            }
        }
    });
    end
}
