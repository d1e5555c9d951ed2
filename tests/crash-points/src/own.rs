//! Kills `own` and `disown` at each of their steps, with a running agent beside and without one, and checks that the grant is never lost, never in two
//! places that count, and never presented twice.

use crate::points::next_of;
use crate::trace::{SHOWN, Step, Trace};
use crate::{Fallible, Tally};
use harness::{Home, until};
use scripted_server::{Grant, Script, Server, Site, TokenState};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

const NAME: &str = "lab";
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

/// Which command, and beside whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Story {
    command: &'static str,
    agent: bool,
}

const STORIES: [Story; 4] = [
    Story { command: "own", agent: false },
    Story { command: "disown", agent: false },
    Story { command: "own", agent: true },
    Story { command: "disown", agent: true },
];

/// A home with one server, configured in two files.
struct Scene {
    home: Home,
    site: Site,
    grant: Grant,
}

impl Scene {
    fn new(program: &Path, server: &Server, name: &str) -> Fallible<Self> {
        let site = server.add(name, Script::default());
        let grant = site.grant(Duration::from_secs(36_000));
        let home = Home::with(program, &scripted_server::credentials_json([(NAME, &grant)]))?;
        let scene = Self { home, site, grant };
        fs::create_dir(scene.project())?;
        fs::write(scene.user_config(), scene.plain_user())?;
        fs::write(scene.project().join(".mcp.json"), scene.plain_project())?;
        Ok(scene)
    }

    fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    fn user_config(&self) -> PathBuf {
        self.home.path().join(".claude.json")
    }

    fn plain_user(&self) -> String {
        format!(
            "{{\n  \"mcpServers\": {{\n    \"{NAME}\": {{\n      \"type\": \"http\",\n      \"url\": \"{}\"\n    }}\n  }},\n  \"projects\": {{\n    \
             \"{}\": {{\n      \"hasTrustDialogAccepted\": true\n    }}\n  }}\n}}\n",
            self.site.mcp_url(),
            self.project().display()
        )
    }

    fn plain_project(&self) -> String {
        format!("{{\"mcpServers\":{{\"{NAME}\":{{\"type\":\"http\",\"url\":\"{}\"}}}}}}", self.site.mcp_url())
    }

    fn vault(&self) -> PathBuf {
        self.home.state().join("vault")
    }

    fn refresh_token_in(text: &str) -> Option<String> {
        let document: Value = serde_json::from_str(text).ok()?;
        let entries = document.get("mcpOAuth")?.as_object()?;
        let entry =
            entries.values().find(|entry| entry.get("serverName").is_some_and(|name| name == NAME))?;
        entry.get("refreshToken")?.as_str().map(str::to_owned)
    }

    /// The refresh tokens in Claude Code's store and in the vault.
    fn tokens(&self) -> (Option<String>, Option<String>) {
        let vault = fs::read_to_string(self.vault().join(".credentials.json")).unwrap_or_default();
        (Self::refresh_token_in(&self.home.stored().unwrap_or_default()), Self::refresh_token_in(&vault))
    }

    fn ledger(&self) -> String {
        fs::read_to_string(self.vault().join("ledger.json")).unwrap_or_default()
    }

    fn is_settled(&self) -> bool {
        !["entering", "leaving"].iter().any(|word| self.ledger().contains(word))
    }

    fn helpers(&self) -> usize {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        let files = [read(self.user_config()), read(self.project().join(".mcp.json"))];
        files.iter().filter(|text| text.contains("headersHelper")).count()
    }

    fn told(&self, arguments: &[&str]) -> Fallible<(i32, String)> {
        let output = self.home.command(arguments).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned()))
    }

    /// Runs the command under strace, and kills it there.
    fn traced(&self, command: &str, death: Option<&Step>) -> Fallible<Trace> {
        let mut strace = Command::new("strace");
        // The main thread alone.
        strace.args(["-ttt", "-y", "-q", "-s", "24", "-e", "signal=none", "-e"]);
        strace.arg(format!("trace={SHOWN}")).arg("-o").arg(self.home.trace());
        if let Some(step) = death {
            strace.arg("-e").arg(format!("inject={}:signal=KILL:when={}", step.call, step.nth));
        }
        strace.arg(self.home.program()).args([command, NAME]);
        self.home.in_here(strace).output()?;
        Ok(Trace::read(&self.home.trace()))
    }

    /// Before the command that is killed.
    fn prepare(&self, story: Story) -> Fallible<Option<harness::Daemon>> {
        if story.command == "disown" {
            let (code, text) = self.told(&["own", NAME])?;
            if code != 0 {
                return Err(format!("own: {text}").into());
            }
        }
        if !story.agent {
            return Ok(None);
        }
        let mut daemon = self.home.daemon()?;
        daemon.wait_for("started (process", PATIENCE)?;
        Ok(Some(daemon))
    }
}

/// Kills each command at each of its steps.
pub(crate) fn run(program: &Path, times: usize, tally: &mut Tally) -> Fallible<()> {
    let server = Server::start(Script::default())?;
    let mut points = Vec::new();
    for story in STORIES {
        let scene =
            Scene::new(program, &server, &format!("own-reference-{}-{}", story.command, story.agent))?;
        let daemon = scene.prepare(story)?;
        let mut steps = scene.traced(story.command, None)?.steps();
        drop(daemon);
        steps.retain(|step| !step.label.contains("to pipe"));
        if steps.len() < 20 || !scene.is_settled() {
            return Err(format!("{story:?}: an undisturbed run does not do its work").into());
        }
        points.extend(steps.iter().cycle().take(steps.len() * times).map(|step| (story, step.clone())));
    }
    println!("{} deaths of own and disown", points.len());
    let found: Vec<_> = points.iter().map(|_| Mutex::new(Vec::new())).collect();
    let queue = Mutex::new(points.iter().enumerate());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, (story, step))) = next_of(&queue) {
                    let unmet = die(program, &server, number, *story, step)
                        .unwrap_or_else(|error| vec![error.to_string()]);
                    if let Some(Ok(mut place)) = found.get(number).map(Mutex::lock) {
                        *place = unmet;
                    }
                }
            });
        }
    });
    for ((story, step), unmet) in points.iter().zip(found) {
        let beside = if story.agent { "beside the agent" } else { "alone" };
        let unmet = unmet.into_inner().unwrap_or_else(|_| vec!["a panic".to_owned()]);
        tally.note(&format!("[{} {beside}] killed before: {}", story.command, step.label), &unmet);
    }
    Ok(())
}

/// Kills it there, and returns what must not be.
fn die(program: &Path, server: &Server, number: usize, story: Story, step: &Step) -> Fallible<Vec<String>> {
    let scene = Scene::new(program, server, &format!("own-{number}"))?;
    let daemon = scene.prepare(story)?;
    scene.traced(story.command, Some(step))?;
    let mut unmet = Vec::new();
    let mut demand = |what: &str, met: bool| {
        if !met {
            unmet.push(what.to_owned());
        }
    };
    let (there, vaulted) = scene.tokens();
    demand("the grant is nowhere", there.is_some() || vaulted.is_some());
    // Dead locks are stale within 12 s at the latest for whoever waits; here nobody has to.
    for lock in scene.home.names()?.into_iter().filter(|name| name.ends_with(".lock")) {
        fs::remove_dir(scene.home.claude().join(lock))?;
    }
    let _ = fs::remove_dir(scene.home.path().join(".claude.json.lock"));
    let _ = fs::remove_dir(scene.vault().join(".storage-write.lock"));
    if daemon.is_some() {
        // Before the agent was asked to let go, nothing has moved, and everything goes on as before.
        let one_place = || scene.tokens().0.is_some() != scene.tokens().1.is_some();
        demand("the agent did not settle it", until(PATIENCE, || scene.is_settled() || one_place()));
    }
    // A forced refresh presents the token, wherever it is, once; while the agent settles, it says that it is busy.
    let mut text = String::new();
    let refreshed = until(PATIENCE, || {
        text = scene.told(&["refresh", NAME, "--force"]).map(|(_, text)| text).unwrap_or_default();
        text.contains("refreshed, valid")
    });
    demand(&format!("it cannot be refreshed: {text}"), refreshed);
    let presented =
        scene.site.count(|entry| entry.field("refresh_token") == Some(scene.grant.refresh_token.as_str()));
    demand(&format!("its refresh token was presented {presented} times"), presented == 1);
    let (there, vaulted) = scene.tokens();
    demand("it is in both places, or in none", there.is_some() != vaulted.is_some());
    let current = there.or(vaulted).unwrap_or_default();
    demand("the pair is not the current one", scene.site.state_of(&current) == TokenState::Current);
    // Typed again it does what it should.
    let (code, text) = scene.told(&[story.command, NAME])?;
    demand(&format!("typed again it fails: {text}"), code == 0);
    let (there, vaulted) = scene.tokens();
    let owned = story.command == "own";
    demand(
        &format!("typed again it is not where it should be: {text}"),
        (there.is_some(), vaulted.is_some()) == (!owned, owned),
    );
    demand("typed again it is not settled", scene.is_settled());
    demand("typed again the helper is not as it should be", scene.helpers() == if owned { 2 } else { 0 });
    if !owned {
        demand(
            "the user's configuration differs",
            fs::read_to_string(scene.user_config())? == scene.plain_user(),
        );
        let shared = fs::read_to_string(scene.project().join(".mcp.json"))?;
        demand("the project's configuration differs", shared == scene.plain_project());
    }
    demand("a family was revoked", scene.site.families_revoked() == 0);
    let left = |folder: &Path| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|name| name.file_name());
        names.filter(|name| name.to_string_lossy().contains(".tmp.")).count()
    };
    let folders = [scene.home.path().to_owned(), scene.project(), scene.home.claude(), scene.vault()];
    demand("a temporary file is left", folders.iter().map(|folder| left(folder)).sum::<usize>() == 0);
    drop(daemon);
    Ok(unmet)
}
