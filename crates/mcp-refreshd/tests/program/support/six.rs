//! Six servers, one in each condition, with the real agent and a real server.

use crate::support::{Daemon, Home, PATIENCE};
use scripted_server::{Answer, Grant, Script, Server, Site, credentials_json};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// linear is fresh, sentry due, jira retrying with 503, notion dead, figma a stub, and grafana without refresh token.
pub(crate) struct Six {
    pub(crate) home: Home,
    pub(crate) server: Server,
    daemon: Option<Daemon>,
}

impl Six {
    pub(crate) fn new() -> Self {
        let server = Server::start(Script::default()).unwrap();
        let site = |name: &str| server.add(name, Script::default());
        let (fresh, due, retrying, dead, none) =
            (site("linear"), site("sentry"), site("jira"), site("notion"), site("grafana"));
        retrying.answer_always(Answer::status(503).retry_after(5 * MINUTE));
        let grants = [
            ("linear", fresh.grant(HOUR)),
            ("jira", retrying.grant(5 * MINUTE)),
            ("notion", dead.grant(Duration::ZERO)),
            ("grafana", none.grant(HOUR)),
        ];
        assert!(dead.kill(&grants[2].1.refresh_token));
        let home = Home::new();
        // A session is active, so that what is due waits for a quiet moment.
        let sessions = home.path().join(".claude/projects/here");
        std::fs::create_dir_all(&sessions).unwrap();
        std::fs::write(sessions.join("session.jsonl"), "{}\n").unwrap();
        let store = |due: &Grant| {
            let with_due = grants.iter().map(|(name, grant)| (*name, grant)).chain([("sentry", due)]);
            let mut document: Value = serde_json::from_str(&credentials_json(with_due)).unwrap();
            let entries = document["mcpOAuth"].as_object_mut().unwrap();
            entries
                .get_mut(&grants[3].1.key("grafana"))
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove("refreshToken");
            let stub = json!({"serverName": "figma", "serverUrl": "https://figma.example/mcp", "accessToken": "", "expiresAt": 0});
            entries.insert("figma|0123456789abcdef".into(), stub);
            home.store(&document.to_string());
        };
        // The first look shows how long its tokens live; ten minutes of such a life are inside the margin.
        store(&due.grant(Duration::ZERO));
        let mut daemon = Daemon::start(home.command(&["run"]));
        daemon.wait_for("sentry: refreshed");
        // A login that lands now would be left in peace; one that was there before is due.
        daemon.terminate();
        store(&due.grant(10 * MINUTE));
        let mut daemon = Daemon::start(home.command(&["run"]));
        daemon.wait_for("started (process");
        let six = Self { home, server, daemon: Some(daemon) };
        six.settle(&due);
        six
    }

    /// Waits until every server is in its condition.
    fn settle(&self, due: &Site) {
        let end = Instant::now() + PATIENCE;
        let expected = ["action_required", "ending", "retrying", "fresh", "action_required", "due"];
        loop {
            let status = self.home.status();
            let mut servers: Vec<_> = status["servers"].as_array().unwrap().iter().collect();
            servers.sort_by_key(|server| server["name"].as_str().unwrap());
            if servers.iter().map(|server| server["state"].as_str().unwrap()).eq(expected) {
                assert_eq!(due.refreshes(), 1);
                return;
            }
            assert!(Instant::now() < end, "{status:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn stop(&mut self) {
        self.daemon.take().unwrap().terminate();
    }
}
