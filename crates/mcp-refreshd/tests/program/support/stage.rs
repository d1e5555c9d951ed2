//! The situations in which the documentation's commands run: the word after `console` at the head of a block names one.

use crate::support::six::Six;
use crate::support::{Daemon, Home};
use oauth_secret::RefreshToken;
use scripted_security::{Behaviour, Keychain, program};
use scripted_server::{ClientAuth, Grant, Script, Server, Site};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const EXPIRED: Duration = Duration::ZERO;

/// A home in a situation.
pub(crate) enum Stage {
    /// Six servers in six states: see [`Six`].
    Six(Box<Six>),
    /// One server called linear.
    One(Box<One>),
}

impl Stage {
    /// Sets it up.
    pub(crate) fn set(name: &str) -> Self {
        match name {
            "" => Self::Six(Box::new(Six::new())),
            other => Self::One(Box::new(one(other))),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        match self {
            Self::Six(six) => &six.home,
            Self::One(one) => &one.home,
        }
    }

    /// Environment variables for its commands.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        match self {
            Self::One(one) if one.on_a_mac => {
                vec![("USER", "me".into()), ("MCP_REFRESHD_TEST_SECURITY", program().unwrap().into())]
            }
            _ => Vec::new(),
        }
    }
}

/// A server called linear, its entry in a store, and in most situations a running agent.
pub(crate) struct One {
    home: Home,
    server: Server,
    site: Site,
    /// Killed when this is dropped.
    _daemon: Option<Daemon>,
    /// Its document is in a scripted Keychain.
    on_a_mac: bool,
}

fn one(situation: &str) -> One {
    match situation {
        // The agent was never started.
        "no-agent" | "not-started" => One::with(Script::default(), EXPIRED),
        "fresh" => One::with(Script::default(), HOUR).run(),
        "eight-hours" => eight_hours(),
        "skipped" => skipped(),
        // With the registration: the token was called dead.
        "wiped" => stub(json!({
            "expiresAt": 0, "clientId": "made-up", "discoveryState": {"tokenlessRejectedAt": minutes_ago(20)}
        })),
        "logged-out" => stub(json!({"discoveryState": {"tokenlessRejectedAt": minutes_ago(20)}})),
        "no-refresh-token" => {
            let one = One::with(Script::default(), EXPIRED);
            one.change(|entry| drop(entry.remove("refreshToken")));
            one.run()
        }
        "refused" => {
            let one = One::with(Script::default(), HOUR);
            one.change(|entry| drop(entry.insert("accessToken".into(), "at_revoked".into())));
            one.run()
        }
        "dead" => {
            let (one, grant) = One::granted(Script::default(), EXPIRED);
            assert!(one.site.kill(&grant.refresh_token));
            // `status` says so at the first such answer; a notice comes only after the third.
            one.run_until("login ended")
        }
        "registration-gone" => {
            let (one, grant) =
                One::granted(Script { client_auth: ClientAuth::Post, ..Script::default() }, EXPIRED);
            assert!(one.site.prune_client(&grant.client_id));
            one.run_until("needs")
        }
        "overwritten" => overwritten(),
        "away" => {
            let one = One::with(Script::default(), HOUR).run();
            one.server.stop_listening().unwrap();
            one
        }
        "orphaned-lock" => {
            let one = One::with(Script::default(), HOUR);
            let lock = one.lock();
            fs::create_dir(&lock).unwrap();
            let file = fs::File::open(&lock).unwrap();
            file.set_modified(std::time::SystemTime::now() - 20 * Duration::from_secs(60)).unwrap();
            one.run()
        }
        "file-lock" => {
            let one = One::with(Script::default(), HOUR);
            fs::write(one.lock(), "").unwrap();
            one.run()
        }
        "keychain-locked" => in_a_keychain(|_, script| script.locked = true),
        "keychain-refused" => in_a_keychain(|_, script| script.refuses = Some(51)),
        "keychain-hidden" => in_a_keychain(|home, _| {
            home.store(r#"{"mcpOAuth":{}}"#);
            fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        other => panic!("no situation is called {other}"),
    }
}

impl One {
    fn with(script: Script, left: Duration) -> Self {
        Self::granted(script, left).0
    }

    fn granted(script: Script, left: Duration) -> (Self, Grant) {
        let server = Server::start(Script::default()).unwrap();
        let site = server.add("linear", script);
        let grant = site.grant(left);
        let home = Home::with([("linear", &grant)]);
        fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o600)).unwrap();
        let configured = json!({"mcpServers": {"linear": {"type": "http", "url": site.mcp_url()}}});
        fs::write(home.path().join(".claude.json"), configured.to_string()).unwrap();
        (Self { home, server, site, _daemon: None, on_a_mac: false }, grant)
    }

    fn run(self) -> Self {
        self.run_until("started (process")
    }

    /// Starts the agent and waits until its log contains this.
    fn run_until(self, said: &str) -> Self {
        let mut daemon = Daemon::start(self.home.command(&["run"]));
        daemon.wait_for(said);
        Self { _daemon: Some(daemon), ..self }
    }

    /// Changes the entry in the store.
    fn change(&self, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        let mut document: Value = serde_json::from_str(&self.home.stored()).unwrap();
        let entries = document["mcpOAuth"].as_object_mut().unwrap();
        change(entries.values_mut().next().unwrap().as_object_mut().unwrap());
        self.home.store(&document.to_string());
        fs::set_permissions(self.home.credentials(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The path of the entry's refresh lock.
    fn lock(&self) -> std::path::PathBuf {
        let key = scripted_server::store_key("linear", &self.site.mcp_url());
        let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.home.credentials().with_file_name(format!("mcp-refresh-{name}.lock.lock"))
    }
}

/// A valid login in a Keychain instead of the file.
fn in_a_keychain(change: impl FnOnce(&Home, &mut Behaviour)) -> One {
    let one = One::with(Script::default(), HOUR);
    let keychain = Keychain::at(one.home.path()).unwrap();
    keychain.put("Claude Code-credentials", "me", one.home.stored()).unwrap();
    fs::remove_file(one.home.credentials()).unwrap();
    one.home.configure("keychain = \"security\"\n");
    keychain.behave(|script| change(&one.home, script)).unwrap();
    One { on_a_mac: true, ..one }
}

fn minutes_ago(minutes: i64) -> i64 {
    jiff::Timestamp::now().as_millisecond() - minutes * 60_000
}

/// What Claude Code leaves of an entry without tokens.
fn stub(more: Value) -> One {
    let one = One::with(Script::default(), HOUR);
    one.change(|entry| {
        for member in ["refreshToken", "expiresAt", "clientId", "issuer", "redirectUri"] {
            entry.remove(member);
        }
        entry.insert("accessToken".into(), "".into());
        entry.extend(more.as_object().unwrap().clone());
    });
    one.run()
}

/// Sessions skip the server because of a failure 4 minutes ago, though its token is valid.
fn skipped() -> One {
    let one = One::with(Script::default(), HOUR).run();
    let list = one.home.credentials().with_file_name("mcp-needs-auth-cache.json");
    // Not a whole minute: "4 min" becomes "4 min 1 s" while the test runs, and wraps elsewhere.
    fs::write(list, json!({"linear": {"timestamp": minutes_ago(4) - 30_000}}).to_string()).unwrap();
    one
}

/// The stored refresh token was used already: a backup was restored while no agent ran.
fn overwritten() -> One {
    let one = One::with(Script::default(), EXPIRED);
    let old = one.home.stored();
    assert_eq!(one.home.told(&["refresh"]).0, 0);
    one.home.store(&old);
    fs::set_permissions(one.home.credentials(), fs::Permissions::from_mode(0o600)).unwrap();
    one.run_until("needs")
}

/// Tokens that live eight hours, refreshed every six for two days.
fn eight_hours() -> One {
    let (one, grant) = One::granted(Script { lifetime: 8 * HOUR, ..Script::default() }, EXPIRED);
    assert_eq!(one.home.told(&["refresh"]).0, 0);
    let mut last = String::new();
    let now = jiff::Timestamp::from_millisecond(minutes_ago(0)).unwrap();
    one.change(|entry| {
        last = RefreshToken::new(entry["refreshToken"].as_str().unwrap()).fingerprint().to_string();
        entry.insert("expiresAt".into(), (now + 7 * HOUR).as_millisecond().into());
    });
    let entry = |event: &str, before: &str, after: &str, at: jiff::Timestamp, ends: jiff::Timestamp| {
        json!({
            "v": 1, "at": at, "event": event, "store": one.home.credentials(), "key": grant.key("linear"),
            "server": "linear", "cause": (event == "refreshed").then_some("due"), "before": before, "after": after,
            "expires_at": ends, "holds": "tokens"
        })
    };
    let mut prints =
        ["9a3f04d1", "41b90c77", "d0e2815c", "7765ab03", "c91d5e2f", "08fe6b34", "e3a71d90", "5b2c48aa"]
            .to_vec();
    prints.push(&last);
    let started = now - 51 * HOUR;
    let mut lines = vec![
        json!({"v": 1, "at": started, "event": "agent_started"}),
        entry("found", prints[0], prints[0], started, started + 8 * HOUR),
    ];
    // The last of them an hour ago.
    for (print, hours) in prints.windows(2).zip((1..=43).rev().step_by(6)) {
        let at = now - HOUR * hours;
        lines.push(entry("refreshed", print[0], print[1], at, at + 8 * HOUR));
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(one.home.state().join("history.jsonl"), text).unwrap();
    one.run()
}
