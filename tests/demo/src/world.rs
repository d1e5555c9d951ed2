//! One side of the demo: a server, a home folder with a login whose token is about to expire, and what happens there.

use crate::session::{Session, Step, now_ms};
use crate::story::{Row, SESSIONS, Side, Story, Tone};
use harness::{Daemon, Fallible, Home};
use scripted_server::{Answer, Script, Server, Site, credentials_json};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

/// How long the token endpoint takes. Five real sessions lost the login so, 4 of 4 times.
const SLOW: Duration = Duration::from_secs(9);
/// What the first access token has left, and the life of each later one.
const LEFT: Duration = Duration::from_secs(4);
const LIFETIME: Duration = Duration::from_secs(3600);
/// When the sessions start.
pub(crate) const RUSH: Duration = Duration::from_millis(12_500);
/// What each session waits between its tries to take the lock, in milliseconds: 1 to 2 s, as real ones do. The last one is slow enough
/// to find the first one's token.
const PAUSES: [u64; SESSIONS] = [1500, 1500, 1600, 1700, 1950];
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct World {
    side: Side,
    home: Home,
    server: Server,
    site: Site,
    key: String,
    daemon: Option<Daemon>,
    first_access_token: String,
}

impl World {
    /// A server without grace for a refresh token that comes again, and a login to it.
    pub(crate) fn new(side: Side, program: &Path) -> Fallible<Self> {
        let server = Server::start(Script::default())?;
        let site = server.add("lab", Script { lifetime: LIFETIME, ..Script::default() });
        site.answer_always(Answer::default().before(SLOW));
        let grant = site.grant(LEFT);
        let home = Home::with(program, &credentials_json([("lab", &grant)]))?;
        // A session was here a moment ago; for a token that lives for minutes and is used by nobody the agent does nothing.
        let sessions = home.claude().join("projects/-demo");
        fs::create_dir_all(&sessions)?;
        fs::write(sessions.join("5e55104e-0000-4000-8000-000000000000.jsonl"), "{\"type\":\"user\"}\n")?;
        let key = grant.key("lab");
        Ok(Self { side, home, server, site, key, daemon: None, first_access_token: grant.access_token })
    }

    pub(crate) fn start_agent(&mut self) -> Fallible<()> {
        self.daemon = Some(self.home.daemon()?);
        Ok(())
    }

    /// Starts the sessions, each in a thread of its own.
    pub(crate) fn rush<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        story: &Story,
    ) -> Vec<ScopedJoinHandle<'scope, ()>> {
        let start = |(number, pause): (usize, u64)| {
            let story = story.clone();
            story.tell(self.side, Row::Session(number), Tone::Busy, "starts");
            let pause = Duration::from_millis(pause);
            scope.spawn(move || self.session(number, pause, &story))
        };
        (1..).zip(PAUSES).map(start).collect()
    }

    fn session(&self, number: usize, pause: Duration, story: &Story) {
        let tell = |tone, text: &str| story.tell(self.side, Row::Session(number), tone, text);
        // In the order of their numbers.
        thread::sleep(Duration::from_millis(100) * u32::try_from(number).unwrap_or(0));
        let session = Session { home: &self.home, site: &self.site, key: &self.key, pause };
        let end = session.connect(|step| match step {
            Step::Waiting => tell(Tone::Busy, "waits for the lock"),
            Step::Refreshing => tell(Tone::Busy, "refreshes"),
            Step::RefreshingWithoutLock => tell(Tone::Busy, "refreshes without the lock"),
            Step::Connected => tell(Tone::Good, "connected"),
            Step::Failed => tell(Tone::Bad, "needs authentication"),
        });
        if let Err(error) = end {
            tell(Tone::Bad, &error.to_string());
        }
    }

    /// Tells how the login is.
    pub(crate) fn look(&self, story: &Story) -> Fallible<()> {
        let document: Value = serde_json::from_str(&self.home.stored()?)?;
        let entry = document
            .pointer("/mcpOAuth")
            .and_then(|entries| entries.get(&self.key))
            .cloned()
            .unwrap_or_default();
        let token = entry.get("accessToken").and_then(Value::as_str).unwrap_or_default().to_owned();
        let expires_at = u128::from(entry.get("expiresAt").and_then(Value::as_u64).unwrap_or(0));
        let is_new = token != self.first_access_token;
        let (tone, text) = match token.as_str() {
            "" => (Tone::Bad, "none: the entry was wiped"),
            _ if expires_at <= now_ms() => (Tone::Bad, "expired"),
            _ if !self.site.accepts(&token) => (Tone::Bad, "revoked"),
            _ if is_new => (Tone::Good, "valid for an hour"),
            _ => (Tone::Plain, "about to expire"),
        };
        story.tell(self.side, Row::Token, tone, text);
        let (sessions, agents) =
            (self.server.token_requests_by("session"), self.server.token_requests_by("mcp-refreshd"));
        let (tone, text) = match (&self.daemon, is_new, agents) {
            (None, ..) => (Tone::Plain, "-"),
            (Some(_), true, _) => (Tone::Good, "refreshed it"),
            _ => (Tone::Busy, "refreshes"),
        };
        story.tell(self.side, Row::Agent, tone, text);
        let (requests, reuses) = (sessions + agents, self.server.reuses_by(""));
        let reused = match reuses {
            0 => String::new(),
            number => format!(", {number} with a spent token"),
        };
        story.tell(
            self.side,
            Row::Requests,
            if reuses == 0 { Tone::Plain } else { Tone::Bad },
            format!("{requests}{reused}"),
        );
        Ok(())
    }

    /// Whether the login survived, once everything has ended.
    pub(crate) fn verdict(&self, story: &Story) -> bool {
        let lost = self.server.families_revoked() > 0;
        let (tone, text) =
            if lost { (Tone::Bad, "LOST: claude mcp login lab") } else { (Tone::Good, "kept") };
        story.tell(self.side, Row::Verdict, tone, text);
        !lost
    }

    /// The agent's log.
    pub(crate) fn log(&self) -> String {
        self.home.log()
    }

    /// Stops the agent; says whether it ended well.
    pub(crate) fn stop(&mut self) -> bool {
        self.daemon.take().is_none_or(|daemon| daemon.ends_well(PATIENCE))
    }
}
