//! The made-up world: four servers with one peculiarity each, and a credential file in a temporary folder.

use scripted_server::{Answer, Grant, Kind, Outcome, Script, Server, Site, credentials_json};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Life of every token that is issued while the demo runs.
const LIFETIME: Duration = Duration::from_secs(60);

/// One server and what it is like.
pub(crate) struct Room {
    pub(crate) site: Site,
    pub(crate) manner: &'static str,
    key: String,
}

pub(crate) struct Lab {
    server: Server,
    rooms: Vec<Room>,
    folder: TempDir,
}

impl Lab {
    /// Starts the servers and writes the store. The first tokens have so little left that none would live through half a minute;
    /// they are not equal, so that the refreshes can be told apart.
    pub(crate) fn open(seconds: u64) -> io::Result<Self> {
        let server = Server::start(Script::default())?;
        let folder = tempfile::Builder::new().prefix("mcp-refreshd-demo-").tempdir()?;
        for name in ["home", "claude", "claude/projects", "claude/projects/-demo", "state", "config", "run"] {
            DirBuilder::new().mode(0o700).create(folder.path().join(name))?;
        }
        let mut rooms = Vec::new();
        let mut grants: Vec<Grant> = Vec::new();
        for (name, left, manner) in [
            ("steady", 22, "answers at once"),
            ("flaky", 18, "answers 503 every other time"),
            ("slow", 26, "takes 4 s for an answer"),
            ("strict", 14, "kills the old token at rotation"),
        ] {
            let site = server.add(name, Script { lifetime: LIFETIME, ..Script::default() });
            let grant = site.grant(Duration::from_secs(left));
            rooms.push(Room { key: grant.key(name), site, manner });
            grants.push(grant);
        }
        for room in &rooms {
            match room.site.name() {
                "flaky" => {
                    for _ in 0..seconds / 10 + 2 {
                        room.site.answer_next(Answer::status(503).retry_after(Duration::from_secs(2)));
                        room.site.answer_next(Answer::default());
                    }
                }
                "slow" => room.site.answer_always(Answer::default().before(Duration::from_secs(4))),
                "strict" => room.site.set(|script| script.old_access_dies = true),
                _ => {}
            }
        }
        let lab = Self { server, rooms, folder };
        let entries = lab.rooms.iter().zip(&grants).map(|(room, grant)| (room.site.name(), grant));
        lab.write("claude/.credentials.json", &credentials_json(entries))?;
        lab.write("claude/.claude.json", &lab.configuration().to_string())?;
        lab.pretend_a_session()?;
        Ok(lab)
    }

    /// The servers as the user would have configured them.
    fn configuration(&self) -> Value {
        let servers = self
            .rooms
            .iter()
            .map(|room| (room.site.name().to_owned(), json!({"type": "http", "url": room.site.mcp_url()})));
        json!({"mcpServers": servers.collect::<serde_json::Map<_, _>>()})
    }

    fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let path = self.folder.path().join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())
    }

    /// Writes a session's log, as a running Claude Code does: tokens that live less than ten minutes are refreshed ahead of
    /// time only while somebody uses them.
    pub(crate) fn pretend_a_session(&self) -> io::Result<()> {
        self.write(
            "claude/projects/-demo/5e55104e-0000-4000-8000-000000000000.jsonl",
            "{\"type\":\"user\"}\n",
        )
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("claude/.credentials.json")
    }

    pub(crate) fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// The entry of a server as a client would read it at this moment.
    pub(crate) fn read(&self, room: &Room) -> Option<Value> {
        let document: Value = serde_json::from_slice(&fs::read(self.store()).ok()?).ok()?;
        document.get("mcpOAuth")?.get(&room.key).cloned()
    }

    /// What the token endpoints had to say since the last call, as far as it was unusual: name of the server and the news.
    pub(crate) fn told_since(&self, told: &mut usize) -> Vec<(String, String)> {
        let mut news = Vec::new();
        let log = self.server.log();
        for entry in log.iter().skip(*told) {
            let Some(finished) = entry.finished_us else { break };
            *told += 1;
            let took = Duration::from_micros(finished.saturating_sub(entry.received_us));
            if entry.kind != Kind::Token {
                continue;
            }
            match entry.outcome {
                Outcome::Fresh if took > Duration::from_secs(1) => {
                    news.push((
                        entry.site.clone(),
                        format!("the server took {:.1} s to answer", took.as_secs_f32()),
                    ));
                }
                Outcome::Fresh => {}
                _ => {
                    let status = entry.status.map_or("nothing".to_owned(), |status| status.to_string());
                    news.push((
                        entry.site.clone(),
                        format!("the server answered {status}: {}", entry.detail),
                    ));
                }
            }
        }
        news
    }

    pub(crate) fn reuses(&self) -> usize {
        self.server.reuses_by("")
    }

    /// Leaves the folder where it is when the demo ends.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

/// Wall clock in milliseconds since the epoch, as `expiresAt` counts.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
