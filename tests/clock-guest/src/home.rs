//! A home folder with a store of three servers and the real daemon.

use harness::{Daemon, Fallible};
use scripted_server::{Entry, Kind, Script, Server, Site, TokenState, credentials_json};
use serde_json::Value;
use std::error::Error;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Three, so that a storm would be visible.
const SERVERS: [&str; 3] = ["ash", "birch", "cedar"];

/// Every token's lifetime.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

pub(crate) struct Home {
    home: harness::Home,
    server: Server,
    sites: [Site; 3],
    daemon: Daemon,
}

impl Home {
    /// A store whose tokens have this much time left, and a daemon that has read it.
    pub(crate) fn new(left: Duration) -> Fallible<Self> {
        let server = Server::start(Script::default())?;
        let sites = SERVERS.map(|name| server.add(name, Script { lifetime: LIFETIME, ..Script::default() }));
        let grants = sites.each_ref().map(|site| (site.name(), site.grant(left)));
        let home = harness::Home::with(
            "/bin/mcp-refreshd",
            &credentials_json(grants.iter().map(|(name, grant)| (*name, grant))),
        )?;
        let daemon = home.daemon()?;
        let home = Self { home, server, sites, daemon };
        // The first read, the watch and the first plan take less than a second.
        std::thread::sleep(Duration::from_secs(2));
        Ok(home)
    }

    /// The number of refresh requests so far, of all servers.
    pub(crate) fn refreshes(&self) -> usize {
        self.server.count(|entry| entry.kind == Kind::Token)
    }

    /// Waits until every server has refreshed once more than `before` times in total, and the new pairs are stored.
    pub(crate) fn wait_for_all(&self, before: usize, patience: Duration) -> Fallible<()> {
        let wanted = before + SERVERS.len();
        let answered = self.server.wait_for(patience, |log| {
            let answered = |entry: &&Entry| entry.kind == Kind::Token && entry.finished_us.is_some();
            log.iter().filter(answered).count() >= wanted
        });
        if !answered {
            let (seconds, seen) = (patience.as_secs(), self.refreshes());
            return Err(self.complaint(&format!("{seen} of {wanted} refreshes after {seconds} s")));
        }
        // The responses are sent; the pairs are stored some milliseconds later.
        let mut last = Ok(());
        harness::until(Duration::from_secs(5), || {
            last = self.all_are_fresh();
            last.is_ok()
        });
        last
    }

    /// Checks that every entry has its server's latest pair, unexpired by the wall clock.
    fn all_are_fresh(&self) -> Fallible<()> {
        let document: Value = serde_json::from_str(&self.home.stored()?)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        for site in &self.sites {
            let name = site.name();
            let entries = document.get("mcpOAuth").and_then(Value::as_object).into_iter().flatten();
            let entry = entries.map(|(_, entry)| entry).find(|entry| entry["serverName"] == name);
            let entry = entry.ok_or_else(|| format!("{name} has no entry"))?;
            let refresh_token = entry["refreshToken"].as_str().unwrap_or_default();
            let state = site.state_of(refresh_token);
            if state != TokenState::Current {
                return Err(self.complaint(&format!("the refresh token of {name} is {state:?}")));
            }
            if u128::from(entry["expiresAt"].as_u64().unwrap_or(0)) <= now {
                return Err(self.complaint(&format!("{name} is expired")));
            }
        }
        Ok(())
    }

    /// An error with the daemon's log.
    pub(crate) fn complaint(&self, what: &str) -> Box<dyn Error + Send + Sync> {
        format!("{what}; the daemon says:\n{}", self.home.log()).into()
    }

    /// How often the daemon was scheduled so far.
    pub(crate) fn wake_ups(&self) -> Fallible<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.daemon.pid()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }
}
