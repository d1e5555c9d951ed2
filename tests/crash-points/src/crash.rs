//! A single crash, the next life, and the required outcome.

use crate::Fallible;
use crate::disk::Disk;
use crate::outcomes::outcomes;
use crate::trace::{SHOWN, Step, Trace};
use harness::Home;
use rustix::process::Signal;
use scripted_server::{Answer, Grant, Outcome, Reuse, Script, Server, Site, TokenState};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The store's due entry.
const NAME: &str = "lab";
/// Its neighbor, which must not be touched.
const NEIGHBOUR: &str = "neighbour";
/// Time limit for a life up to its refresh.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same if it has to wait for the dead process's locks to become stale: 60 s, 12 s of observation, and the pauses.
const LONG_PATIENCE: Duration = Duration::from_secs(150);
const END: Duration = Duration::from_secs(10);
/// Slows down each fsync, so that a crash can happen in the middle of one.
const SLOW_FSYNC: Duration = Duration::from_millis(100);

/// A kind of refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// The server rotates and does not forgive reuse.
    Plain,
    /// The first response is lost after the rotation; the server forgives reuse for a minute.
    AnswerLost,
    /// The server is temporarily unavailable.
    Unavailable,
    /// The grant is dead.
    Dead,
}

impl Story {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::AnswerLost, Self::Unavailable, Self::Dead];

    pub(crate) fn wording(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::AnswerLost => "answer lost, asked again",
            Self::Unavailable => "503, then asked again",
            Self::Dead => "grant dead",
        }
    }

    fn script(self) -> Script {
        match self {
            Self::AnswerLost => Script {
                reuse: Reuse::Revoke { grace: Duration::from_secs(60) },
                next: [Answer::lost()].into(),
                ..Script::default()
            },
            Self::Unavailable => Script { next: [Answer::status(503)].into(), ..Script::default() },
            Self::Plain | Self::Dead => Script::default(),
        }
    }

    /// How often a refresh token may be presented: once, and again after a response that was lost or proves that nothing was consumed
    /// (I1); and once more in the next life, for a response lost in the crash.
    fn presented_at_most(self) -> usize {
        if matches!(self, Self::Plain | Self::Dead) { 2 } else { 3 }
    }
}

/// Where to crash.
#[derive(Clone, Debug)]
pub(crate) enum Death {
    /// Right before this call of the main thread.
    Before(Step),
    /// In the middle of this fsync, counted from 1.
    DuringFsync(usize),
}

impl Death {
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Before(step) => step.label.clone(),
            Self::DuringFsync(number) => format!("(in the middle of fsync {number})"),
        }
    }
}

/// The result of a crash.
pub(crate) struct Found {
    /// What the daemon was about to do when it crashed.
    pub(crate) died_before: String,
    /// What it left behind.
    pub(crate) at_death: String,
    /// How the next life ended.
    pub(crate) end: String,
    /// Violations.
    pub(crate) unmet: Vec<String>,
}

/// A store, its server and its daemon.
struct Scene {
    home: Home,
    site: Site,
    grant: Grant,
    neighbour: Grant,
    document: String,
}

impl Scene {
    fn new(program: &Path, server: &Server, name: &str, story: Story, disk: Option<&Disk>) -> Fallible<Self> {
        let site = server.add(name, story.script());
        let (grant, neighbour) = (site.grant(Duration::ZERO), site.grant(Duration::from_secs(36_000)));
        if story == Story::Dead {
            site.kill(&grant.refresh_token);
        }
        let document = scripted_server::credentials_json([(NAME, &grant), (NEIGHBOUR, &neighbour)]);
        let home = match disk {
            Some(disk) => Home::new_in(disk.path(), program)?,
            None => Home::new(program)?,
        };
        home.store(&document)?;
        // New sessions of the client skip this server; the refresh has to undo that.
        fs::write(home.needs_auth(), format!("{{\"{NAME}\":{{\"timestamp\":1795381774631}}}}"))?;
        if let Some(disk) = disk {
            disk.sync()?;
        }
        Ok(Self { home, site, grant, neighbour, document })
    }

    fn entry(&self) -> Fallible<Value> {
        let document: Value = serde_json::from_str(&self.home.stored()?)?;
        let entry = document.get("mcpOAuth").and_then(|entries| entries.get(self.grant.key(NAME)));
        entry.cloned().ok_or_else(|| "the entry is gone".into())
    }

    fn token(&self, member: &str) -> String {
        let entry = self.entry().unwrap_or_default();
        entry.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn rotations(&self) -> usize {
        self.site.count(|entry| matches!(entry.outcome, Outcome::Fresh | Outcome::Replayed))
    }

    fn presented(&self, token: &str) -> usize {
        self.site.count(|entry| entry.field("refresh_token") == Some(token))
    }

    /// Whether the store has a new pair that the server accepts.
    fn is_saved(&self) -> bool {
        let refresh = self.token("refreshToken");
        refresh != self.grant.refresh_token
            && self.site.state_of(&refresh) == TokenState::Current
            && self.site.accepts(&self.token("accessToken"))
    }

    /// The document with the old pair restored: equal to the original if nothing else has changed.
    fn with_old_pair(&self) -> Fallible<String> {
        let (entry, stored) = (self.entry()?, self.home.stored()?);
        let expires = entry.get("expiresAt").map(Value::to_string).unwrap_or_default();
        Ok(stored
            .replace(&self.token("accessToken"), &self.grant.access_token)
            .replace(&self.token("refreshToken"), &self.grant.refresh_token)
            .replace(&expires, &self.grant.expires_at_ms.to_string()))
    }

    fn at_death(&self) -> String {
        let journal = self.home.journal();
        let journal = match (journal.contains("\"answer\""), journal.contains("\"intent\"")) {
            (true, _) => "answer",
            (false, true) => "intent",
            _ => "nothing",
        };
        let store = if self.is_saved() { "new" } else { "old" };
        let locks = self.locks().len();
        format!(
            "{} sent, {} rotated, journal {journal}, store {store}, {locks} {}",
            self.presented(&self.grant.refresh_token),
            self.rotations(),
            if locks == 1 { "lock" } else { "locks" }
        )
    }

    fn locks(&self) -> Vec<String> {
        let names = self.home.names().unwrap_or_default();
        names.into_iter().filter(|name| name.ends_with(".lock")).collect()
    }
}

/// A complete, undisturbed run under strace.
pub(crate) fn reference(program: &Path, server: &Server, name: &str, story: Story) -> Fallible<Trace> {
    let scene = Scene::new(program, server, &format!("{name}-{story:?}"), story, None)?;
    let mut daemon = scene.home.traced(SHOWN, &[])?;
    let home = &scene.home;
    let done = daemon.wait(PATIENCE, || match story {
        Story::Dead => home.log().contains("login ended"),
        _ => home.log().contains("refreshed, valid for"),
    });
    // The records are saved within a second.
    std::thread::sleep(Duration::from_millis(800));
    // Shutdown is not part of a refresh.
    let trace = Trace::read(&home.trace());
    let ended = daemon.ends_well(END);
    if !done || !ended {
        return Err(format!("the undisturbed run did not come to its end; its log:\n{}", home.log()).into());
    }
    Ok(trace)
}

/// Crashes, restarts and checks. `None` if the daemon never reached the crash point. With a disk, the power fails along with the
/// process.
pub(crate) fn die(
    program: &Path,
    server: &Server,
    name: &str,
    story: Story,
    death: &Death,
    keep_locks: bool,
    disk: Option<&Disk>,
) -> Fallible<Option<Found>> {
    let scene = Scene::new(program, server, name, story, disk)?;
    let Some(died_before) = first_life(&scene.home, death, story)? else { return Ok(None) };
    if let Some(disk) = disk {
        disk.cut_power()?;
    }
    let at_death = scene.at_death();
    let journalled = scene.home.journal().contains("\"answer\"");
    let sent = scene.presented(&scene.grant.refresh_token) > 0;
    if !keep_locks {
        // Waiting for stale locks each time would take hours.
        for lock in scene.locks() {
            fs::remove_dir(scene.home.claude().join(lock))?;
        }
    }
    let mut found = second_life(&scene, story, keep_locks)?;
    // With the response in the journal, nothing may be ambiguous.
    if journalled && story == Story::Plain && found.end.starts_with("ambiguous") {
        found.unmet.push("the answer was in the journal and not used".to_owned());
    }
    if !sent && found.end.starts_with("ambiguous") {
        found.end.push_str(", though nothing was sent");
    }
    Ok(Some(Found { died_before, at_death, ..found }))
}

/// Runs until the crash. Returns what the daemon was about to do.
fn first_life(home: &Home, death: &Death, story: Story) -> Fallible<Option<String>> {
    let inject = match death {
        Death::Before(step) => format!("inject={}:signal=KILL:when={}", step.call, step.nth),
        Death::DuringFsync(_) => format!("inject=fsync,fdatasync:delay_enter={}", SLOW_FSYNC.as_micros()),
    };
    let mut daemon = home.traced(SHOWN, &["-e", &inject])?;
    match death {
        Death::Before(_) => {
            daemon.wait(PATIENCE, || match story {
                Story::Dead => home.log().contains("login ended"),
                _ => home.log().contains("refreshed, valid for"),
            });
            // Some steps come after the end of the refresh.
            let end = Instant::now() + Duration::from_secs(1);
            daemon.wait(Duration::from_secs(1), || Instant::now() > end);
        }
        Death::DuringFsync(number) => {
            let reached = daemon.wait(PATIENCE, || {
                let trace = Trace::read(&home.trace());
                // An unfinished call is already in the trace.
                trace.calls.iter().filter(|call| call.name.contains("sync")).count() >= *number
            });
            std::thread::sleep(SLOW_FSYNC / 4);
            if reached {
                daemon.signal(Signal::KILL);
                daemon.wait(END, || false);
                return Ok(Some(death.label()));
            }
        }
    }
    if !daemon.has_ended() {
        daemon.ends_well(END);
        return Ok(None);
    }
    Ok(Trace::read(&home.trace()).last_step())
}

/// From the next start to a regular exit.
fn second_life(scene: &Scene, story: Story, keep_locks: bool) -> Fallible<Found> {
    let patience = if keep_locks { LONG_PATIENCE } else { PATIENCE };
    let (began, said) = (Instant::now(), scene.home.log().len());
    let mut daemon = scene.home.daemon()?;
    let mut end = None;
    let mut next_look = Instant::now();
    daemon.wait(patience, || {
        if scene.is_saved() {
            end = Some("saved");
        } else if Instant::now() > next_look {
            next_look = Instant::now() + Duration::from_millis(100);
            let outcomes = outcomes(&scene.home);
            if outcomes.iter().any(|(_, outcome)| outcome == "ambiguous") {
                end = Some("ambiguous, and reported");
            } else if story == Story::Dead && outcomes.iter().any(|(state, _)| state == "action_required") {
                end = Some("dead, and reported");
            }
        }
        end.is_some()
    });
    let took = began.elapsed();
    // Whatever the store holds: the journal has to be read and closed, too.
    daemon.wait(patience, || {
        let log = scene.home.log();
        log.get(said..).is_some_and(|log| log.contains("started (process"))
            && !scene.home.journal().contains("\"intent\"")
    });
    let ended_well = daemon.ends_well(Duration::from_secs(70));
    let mut unmet = Vec::new();
    let mut demand = |what: String, holds: bool| {
        if !holds {
            unmet.push(what);
        }
    };
    let (log, names) = (scene.home.log(), scene.home.names()?);
    let saved = end == Some("saved");
    demand(format!("no end was reached; the log:\n{log}"), end.is_some());
    demand("the second daemon did not end well".to_owned(), ended_well);
    // This server forgives nothing, so a response lost in the crash is gone; asking for it again is what helps at others.
    let lost = end == Some("ambiguous, and reported");
    demand("a family was revoked".to_owned(), lost || scene.site.families_revoked() == 0);
    let presented = scene.presented(&scene.grant.refresh_token);
    demand(
        format!("the refresh token was presented {presented} times"),
        presented <= story.presented_at_most(),
    );
    let neighbours = scene.presented(&scene.neighbour.refresh_token);
    demand("the neighbour's refresh token was presented".to_owned(), neighbours == 0);
    demand(
        "more of the document was changed than the pair".to_owned(),
        scene.with_old_pair()? == scene.document,
    );
    let left: Vec<_> = names.iter().filter(|name| name.contains(".tmp.")).collect();
    demand(format!("left behind: {left:?}"), left.is_empty());
    let mut orphans = scene.locks();
    // The dead process's refresh lock is removed by the next refresh.
    orphans.retain(|name| !keep_locks || !name.starts_with("mcp-refresh-"));
    demand(format!("locks left: {orphans:?}"), orphans.is_empty());
    let journal = scene.home.journal();
    demand("the journal still holds an intent".to_owned(), !journal.contains("\"intent\""));
    demand("the log shows a panic".to_owned(), !log.contains("panicked"));
    let flags = fs::read_to_string(scene.home.needs_auth())?;
    demand("new sessions still skip the server".to_owned(), !saved || !flags.contains(NAME));
    let secrets = [&scene.grant.refresh_token, &scene.grant.access_token, &scene.token("refreshToken")];
    demand("a token is in the log".to_owned(), !secrets.iter().any(|secret| log.contains(secret.as_str())));
    let mut words = end.unwrap_or("none").to_owned();
    if keep_locks {
        words.push_str(&format!(", after {} s", took.as_secs()));
    }
    Ok(Found { died_before: String::new(), at_death: String::new(), end: words, unmet })
}
